"""
What all importers of conversations promise that may be others in the next export.
"""

from __future__ import annotations

import asyncio
import json
import sys
import zipfile
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asm_async import InMemoryPorts, Ports, open_ports
from asm_async.importers import ImportSummary, import_from
from asm_async.importers.claude_export import ClaudeExportImporter
from asm_async.importers.detecting import kind_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.records import CaughtUp
from asm_async.importers.tally import Tally
from asm_async.transcripts import read_transcript
from tests.effort import examples

LIBERAL = settings(
    max_examples=examples(60),
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
    ],
)
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "content": "1."}
MESSAGES = st.lists(
    st.sampled_from(
        [
            SYSTEM,
            {"role": "user", "content": "One?"},
            {"role": "user", "content": "Two?"},
            ANSWER,
            {"role": "assistant", "content": "2."},
        ]
    ),
    min_size=1,
    max_size=6,
)


async def imported(ports: Ports, kind: str, path: Path) -> ImportSummary:
    """
    Import what lies at *path*, which must be understood.
    """
    done = await import_from(ports, kind, str(path))
    assert done.problems == ()
    return done


async def everything(ports: Ports) -> list[Any]:
    """
    Return what is stored, but for revisions.
    """
    found: list[Any] = []
    for session in await ports.store.list_sessions():
        runs = [run.to_dict() for run in await ports.store.list_runs(session.id)]
        for run in runs:
            del run["revision"]
        events = await ports.store.get_events(session.id)
        facts = session.metadata, session.created_at, session.tags
        found.append([session.id, facts, runs, [event.to_dict() for event in events]])
    return found


@LIBERAL
@example(
    [
        [{"role": "user", "content": "One?"}, ANSWER, SYSTEM],
        [{"role": "user", "content": "One?"}],
    ]
)
@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_whatever_a_list_becomes_it_is_told_as_it_is_now(
    tmp_path: Path, pictures: list[list[dict[str, Any]]]
) -> None:
    """
    After each of any edits the transcript is the list; once more adds nothing.
    """

    async def check() -> None:
        path = tmp_path / "log.json"
        async with InMemoryPorts() as ports:
            longest: list[dict[str, Any]] = []
            for messages in pictures:
                value = {"session_id": "s", "messages": messages}
                path.write_text(json.dumps(value))
                await imported(ports, "openai-messages", path)
                # A beginning of what is stored takes nothing back.
                if longest[: len(messages)] != messages:
                    longest = messages
                told = await read_transcript(ports.store, "openai-messages/s")
                assert list(told.to_openai()) == longest
                before = await everything(ports)
                again = await imported(ports, "openai-messages", path)
                assert (again.events_imported, again.runs_changed) == (0, 0)
                assert await everything(ports) == before

    asyncio.run(check())


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int | None], list[int]]:
    """
    Return the parents of some nodes, and which of them is the current one each time.
    """
    count = draw(st.integers(1, 8))
    parents = [draw(st.integers(0, number - 1)) for number in range(1, count)]
    current = st.lists(st.integers(0, count - 1), min_size=1, max_size=4)
    return [None, *parents], draw(current)


@LIBERAL
@given(trees())
def test_whichever_branch_of_a_tree_is_current_is_told(
    tmp_path: Path, tree: tuple[list[int | None], list[int]]
) -> None:
    """
    The transcript is the way from the root to the current node, and no node is lost.
    """
    parents, currents = tree

    def way(node: int | None) -> list[str]:
        if node is None:
            return []
        return [*way(parents[node]), f"text {node}"]

    def export(current: int, time: int) -> list[Any]:
        mapping = {
            f"n{number}": {
                "id": f"n{number}",
                "parent": None if parent is None else f"n{parent}",
                "message": {
                    "id": f"n{number}",
                    "author": {"role": "assistant" if number % 2 else "user"},
                    "create_time": 1_700_000_000 + number,
                    "content": {"content_type": "text", "parts": [f"text {number}"]},
                },
            }
            for number, parent in enumerate(parents)
        }
        conversation = {"id": "c", "mapping": mapping, "current_node": f"n{current}"}
        return [{**conversation, "update_time": 1_700_000_000 + time}]

    async def check() -> None:
        path = tmp_path / "conversations.json"
        async with InMemoryPorts() as ports:
            for time, current in enumerate(currents):
                path.write_text(json.dumps(export(current, time)))
                await imported(ports, "chatgpt", path)
                told = await read_transcript(ports.store, "chatgpt/c")
                assert [each.content for each in told.messages] == way(current)
                again = await imported(ports, "chatgpt", path)
                assert again.events_imported == 0
            events = await ports.store.get_events("chatgpt/c")
            kept = {
                event.data["original"]["id"]
                for event in events
                if "original" in event.data
            }
            assert kept == {f"n{number}" for number in range(len(parents))}

    asyncio.run(check())


CHATGPT: Any = [{"title": "t", "mapping": {}}]
CLAUDE: Any = [{"uuid": "u", "chat_messages": []}]
ROLLOUT: Any = {"type": "session_meta", "payload": {}}


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("conversations.json", CHATGPT, "chatgpt"),
        ("conversations.json", CLAUDE, "claude"),
        ("export.zip", CHATGPT, "chatgpt"),
        ("export.zip", CLAUDE, "claude"),
        ("list.json", [{"role": "user", "content": "Hi."}], "openai-messages"),
        ("rollout-x.jsonl", ROLLOUT, "codex"),
    ],
)
async def test_what_a_source_is_can_be_seen(
    tmp_path: Path, name: str, value: Any, kind: str
) -> None:
    """
    Files and archives are told apart by how they begin, in a folder as well.
    """
    path = tmp_path / name
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("conversations.json", json.dumps(value))
    else:
        path.write_text(json.dumps(value))
    for source in (path, tmp_path):
        assert (await kind_of(str(source))).name == kind


def long_export(path: Path, count: int) -> Path:
    """
    Write an export of *count* conversations in one line.
    """
    with path.open("w") as file:
        file.write("[")
        for number in range(count):
            messages = [
                {
                    "uuid": f"{number}-{place}",
                    "sender": "assistant" if place % 2 else "human",
                    "content": [{"type": "text", "text": f"{place} " * 200}],
                    "created_at": f"2025-02-03T10:00:{place:02}Z",
                }
                for place in range(20)
            ]
            conversation = {
                "uuid": f"c{number}",
                "name": f"Chat {number}",
                "created_at": "2025-02-03T09:59:00Z",
                "updated_at": "2025-02-03T10:10:00Z",
                "chat_messages": messages,
            }
            file.write(("," if number else "") + json.dumps(conversation))
        file.write("]")
    return path


async def start(path: Path, url: str) -> asyncio.subprocess.Process:
    """
    Start to import an export in a process of its own.
    """
    program = Path(__file__).with_name("importing_process.py")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        "claude",
        str(path),
        url,
        stdout=asyncio.subprocess.PIPE,
    )


async def test_an_import_that_is_killed_is_gone_on_with(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    """
    A process that is killed between two batches, and again, loses and doubles nothing.
    """
    path = long_export(tmp_path / "conversations.json", 12)
    for lines in (2, 7):
        process = await start(path, migrated_sqlite_url)
        assert process.stdout is not None
        for _ in range(lines):
            await process.stdout.readline()
        process.kill()
        await process.wait()
    async with open_ports(migrated_sqlite_url) as ports, InMemoryPorts() as once:
        stored = await ports.store.list_sessions()
        assert 0 < len(stored) < 12
        await imported(ports, "claude", path)
        await imported(once, "claude", path)
        assert await everything(ports) == await everything(once)


async def test_memory_does_not_grow_with_an_export(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    """
    Eight times the conversations in one line take no more than a few mebibytes more.
    """
    peaks: list[int] = []
    path = tmp_path / "conversations.json"
    for count in (40, 320):
        long_export(path, count)
        process = await start(path, migrated_sqlite_url)
        output, _ = await process.communicate()
        peaks.append(int(output.split()[-1]))

    assert path.stat().st_size > 2_500_000
    assert peaks[1] - peaks[0] < 25


async def test_what_was_read_is_written_before_too_much_waits(tmp_path: Path) -> None:
    """
    Small conversations are written together, at most some mebibytes of them.
    """
    path = long_export(tmp_path / "conversations.json", 500)
    async with InMemoryPorts() as ports:
        context = ImportContext(
            kind="claude", path=str(path), tally=Tally(10), store=ports.store
        )
        sessions = list[set[str]]([set()])
        async with aclosing(ClaudeExportImporter().records(context)) as records:
            async for record in records:
                if isinstance(record, CaughtUp):
                    sessions.append(set())
                else:
                    sessions[-1].add(record.session.id)
    longest = max(map(len, sessions)) * path.stat().st_size / 500
    assert len(set[str]().union(*sessions)) == 500
    assert 3_000_000 < longest < 5_000_000
