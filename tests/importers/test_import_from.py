"""
What every importer of files promises, shown with session files of Claude Code.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import pytest

from asm_async import InMemoryPorts, Ports, Run, Session
from asm_async.errors import NotFoundError, StorageUnavailableError, ValidationError
from asm_async.importers import ImportSummary, import_from
from asm_async.ports import SessionStore
from asm_async.redaction import SECRETS, RedactingSessionStore, RedactionPolicy
from asm_async.values.changes import Changes, Committed
from tests.importers.claude_lines import (
    SESSION,
    answer,
    conversation,
    encoded,
    prompt,
    text,
    uuid,
    write,
)

ID = f"claude-code/{SESSION}"
KEY = "sk-ant-" + "a" * 40


async def imported(ports: Ports, path: Path | str, **options: Any) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "claude-code", str(path), **options)


async def everything(ports: Ports) -> list[Any]:
    """
    Return all that is stored, revisions and numbers with it.
    """
    sessions = await ports.store.list_sessions()
    return [
        [
            session,
            await ports.store.list_runs(session.id),
            await ports.store.get_events(session.id),
        ]
        for session in sessions
    ]


def with_store(ports: Ports, store: SessionStore) -> Ports:
    """
    Return the same ports with another session store.
    """
    return Ports(
        store=store,
        state=ports.state,
        query=ports.query,
        maintenance=ports.maintenance,
        feed=ports.feed,
        artifacts=ports.artifacts,
    )


def news_of(done: ImportSummary) -> tuple[int, ...]:
    """
    Return the counts of what was written.
    """
    return (
        done.sessions_imported,
        done.events_imported,
        done.runs_imported,
        done.runs_changed,
    )


async def test_a_second_import_changes_nothing(ports: Ports, tmp_path: Path) -> None:
    """
    What is stored after the first import is stored after the second, to the revision.
    """
    write(tmp_path / "s.jsonl", *conversation())
    first = await imported(ports, tmp_path)
    before = await everything(ports)
    second = await imported(ports, tmp_path)

    assert news_of(first) == (1, 10, 2, 0)
    assert news_of(second) == (0, 0, 0, 0)
    assert (second.sessions_known, second.events_known) == (1, 10)
    assert await everything(ports) == before


async def test_a_file_that_grew_in_any_steps_is_as_one_read_at_once(
    tmp_path: Path,
) -> None:
    """
    After each line an import adds what is new: the end is that of one import.
    """
    lines = [*conversation(), prompt(10, "One."), prompt(11, "Two.", after=9)]
    path = tmp_path / "s.jsonl"
    async with InMemoryPorts() as grown, InMemoryPorts() as whole:
        for count in range(1, len(lines) + 1):
            await imported(grown, write(path, *lines[:count]))
        await imported(whole, path)
        (one,), (other,) = await everything(grown), await everything(whole)

    assert [(e.id, e.data) for e in one[2]] == [(e.id, e.data) for e in other[2]]
    assert [(r.id, r.token_usage) for r in one[1]] == [
        (r.id, r.token_usage) for r in other[1]
    ]
    assert one[0].metadata == other[0].metadata


@attrs.define
class FailingStore:
    """
    A session store whose calls fail from one on, as those of a process that is killed.
    """

    store: SessionStore
    left: int
    is_done_first: bool

    def __getattr__(self, name: str) -> Any:
        """
        Return the store's own method.
        """
        return getattr(self.store, name)

    async def commit(self, changes: Changes, **options: Any) -> Committed:
        """
        Commit, or fail before or after it.
        """
        self.left -= 1
        if self.left < 0 and not self.is_done_first:
            raise StorageUnavailableError("gone")
        done = await self.store.commit(changes, **options)
        if self.left < 0:
            raise StorageUnavailableError("gone")
        return done


@pytest.mark.parametrize("is_done_first", [False, True])
async def test_an_import_that_was_broken_off_anywhere_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_done_first: bool
) -> None:
    """
    Whichever write is the last, the next import ends as one that was not broken off.
    """
    monkeypatch.setattr("asm_async.importers.batch.MAX_EVENTS_PER_BATCH", 3)
    lines = [*conversation(), prompt(10, "One."), prompt(11, "Two.", after=9)]
    write(tmp_path / "a.jsonl", *lines)
    write(tmp_path / "b.jsonl", prompt(50, "Else.", sessionId="b"))
    async with InMemoryPorts() as whole:
        await imported(whole, tmp_path)
        expected = await everything(whole)
    for place in range(6):
        async with InMemoryPorts() as ports:
            failing: Any = FailingStore(ports.store, place, is_done_first)
            broken = with_store(ports, failing)
            with pytest.raises(StorageUnavailableError):
                await imported(broken, tmp_path)
            await imported(ports, tmp_path)
            found = await everything(ports)

        assert list(map(names_of, found)) == list(map(names_of, expected))


def names_of(stored: Any) -> Any:
    """
    Return what of a session is stored, by ids, numbers and revisions.
    """
    session, runs, events = stored
    return (
        (session.id, session.revision, session.metadata),
        [(run.id, run.revision, run.token_usage) for run in runs],
        [(event.id, event.sequence_number, event.type) for event in events],
    )


async def test_a_line_that_was_edited_is_a_conflict_and_stops_nothing(
    ports: Ports, tmp_path: Path
) -> None:
    """
    What is stored stays, the line is named, and what is new is added.
    """
    path = tmp_path / "s.jsonl"
    await imported(ports, write(path, *conversation()))
    before = await ports.store.get_events(ID)
    lines = conversation()
    lines[1]["message"]["content"] = "Something else?"
    done = await imported(ports, write(path, *lines, prompt(10, "More.")))
    events = await ports.store.get_events(ID)

    assert [(p.number, str(p.code)) for p in done.problems] == [(2, "conflict")]
    assert events[:10] == before
    assert (len(events), done.events_imported, done.events_known) == (11, 1, 9)


async def test_broken_lines_are_reported_and_passed_over(tmp_path: Path) -> None:
    """
    Each of them is named by its number; all others are imported.
    """
    path = write(
        tmp_path / "s.jsonl",
        prompt(1, "One."),
        b'{"type": "user", "mess\n',
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b'{"a": NaN}\n',
        b"\n",
        b'{"other": "program"}\n',
        b'{"type":"other","uuid":"u","sessionId":"x","deep":'
        + b"[" * 300
        + b"]" * 300
        + b"}\n",
        prompt(2, "Two."),
        encoded(prompt(3, "Cut"))[:-20],
    )
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        events = await ports.store.get_events(ID)

    assert [event.data["content"] for event in events] == ["One.", "Two."]
    assert sorted((p.number, str(p.code)) for p in done.problems) == [
        (2, "not_json"),
        (3, "not_json"),
        (4, "not_understood"),
        (5, "not_json"),
        (7, "not_understood"),
        (8, "not_understood"),
        (10, "not_json"),
    ]


async def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    """
    The bound is for each line, and the lines around it are imported.
    """
    long = prompt(2, "x" * 5_000)
    path = write(tmp_path / "s.jsonl", prompt(1, "One."), long, prompt(3, "Three."))
    async with InMemoryPorts() as ports:
        done = await imported(ports, path, max_line_bytes=2_000)
        events = await ports.store.get_events(ID)

    assert [(p.number, str(p.code)) for p in done.problems] == [(2, "too_long")]
    assert [event.data["content"] for event in events] == ["One.", "Three."]


async def test_problems_are_described_up_to_a_bound_and_counted_beyond(
    tmp_path: Path,
) -> None:
    """
    The first of them are in the summary, and their number is that of all.
    """
    path = write(tmp_path / "s.jsonl", *[b"?\n"] * 10)
    async with InMemoryPorts() as ports:
        done = await imported(ports, path, max_problems=3)

    assert [problem.number for problem in done.problems] == [1, 2, 3]
    assert done.problem_count == 10


async def test_what_others_wrote_to_a_session_stays(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A title, a run's cost and events of others survive an import of a file that grew.
    """
    path = tmp_path / "s.jsonl"
    await imported(ports, write(path, *conversation()))
    await ports.store.update_session(
        ID, lambda stored: stored.with_metadata(title="Renamed")
    )
    await ports.store.update_run("claude-code-run/msg_8", lambda run: run.set_cost(0.5))
    more = answer(10, text("More."), message="msg_8")
    titled = {"type": "custom-title", "customTitle": "Other", "sessionId": SESSION}
    done = await imported(ports, write(path, *conversation(), more, titled))
    session = await ports.store.get_session(ID)
    run = await ports.store.get_run("claude-code-run/msg_8")

    assert (session.metadata["title"], session.revision) == ("Renamed", 3)
    assert session.metadata["imported"]["title"] == "Other"
    assert (run.cost_usd, run.output_tokens, done.runs_changed) == (0.5, 10, 1)


async def test_what_was_taken_back_hides_nothing_of_others(tmp_path: Path) -> None:
    """
    Events that somebody else has appended to the session stay visible.
    """
    lines = [prompt(1, "One."), answer(2, text("1")), prompt(3, "Two.")]
    path = tmp_path / "s.jsonl"
    async with InMemoryPorts() as ports:
        await imported(ports, write(path, *lines))
        (first, *_) = await ports.store.get_events(ID)
        theirs = attrs.evolve(first, id="theirs", sequence_number=0)
        await ports.store.append_event(theirs)
        await imported(ports, write(path, *lines, answer(4, text("2"))))
        await imported(
            ports, write(path, *lines, answer(4, text("2")), prompt(5, "II.", after=2))
        )
        visible = await ports.store.get_events(ID, visible_only=True)

    assert [event.id.removeprefix("claude-code/") for event in visible] == [
        uuid(1),
        uuid(2),
        "theirs",
        uuid(5),
    ]


async def test_a_run_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """
    A run of the same id that was not imported is a conflict.
    """
    async with InMemoryPorts() as ports:
        session = Session.new(agent_id="a", id=ID)
        await ports.store.save_session(session)
        run = await ports.store.save_run(
            Run.new(session_id=ID, id="claude-code-run/msg_2")
        )
        done = await imported(ports, write(tmp_path / "s.jsonl", *conversation()))
        stored = await ports.store.get_run(run.id)

    assert stored == run
    assert [str(problem.code) for problem in done.problems] == ["conflict"]
    assert done.events_imported == 10


async def test_a_deleted_session_stays_deleted(ports: Ports, tmp_path: Path) -> None:
    """
    Each record of a session that was deleted here is reported, and none is written.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    await imported(ports, path)
    await ports.maintenance.soft_delete_session(ID)
    write(path, *conversation(), prompt(10, "Back.", after=1))
    done = await imported(ports, path)

    assert {str(problem.code) for problem in done.problems} == {"session_closed"}
    assert done.problem_count == 11
    assert (await ports.store.get_session(ID)).deleted_at is not None


async def test_the_session_of_another_tenant_is_left_alone(
    ports: Ports, tmp_path: Path
) -> None:
    """
    An import for one tenant adds nothing to the session of another.
    """
    path = tmp_path / "s.jsonl"
    await imported(ports, write(path, *conversation()), tenant_id="ours")
    more = write(path, *conversation(), prompt(10, "Back.", after=1))
    done = await imported(ports, more, tenant_id="theirs")

    assert {str(problem.code) for problem in done.problems} == {"session_closed"}
    assert len(await ports.store.get_events(ID)) == 10
    assert (await ports.store.get_session(ID)).tenant_id == "ours"


async def test_new_sessions_have_what_the_import_was_asked_for(tmp_path: Path) -> None:
    """
    Tenant, user, agent and tags are those of the call.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    async with InMemoryPorts() as ports:
        await imported(
            ports, path, tenant_id="t", user_id="u", agent_id="a", tags=["old"]
        )
        session = await ports.store.get_session(ID)

    assert (session.tenant_id, session.user_id) == ("t", "u")
    assert (session.agent_id, session.tags) == ("a", ("old",))


async def test_redaction_sees_the_original_too(tmp_path: Path) -> None:
    """
    A secret is stored nowhere, and a second import through the policy adds nothing.
    """
    path = write(tmp_path / "s.jsonl", *conversation(), prompt(10, f"My key: {KEY}"))
    async with InMemoryPorts() as ports:
        policy = RedactionPolicy(patterns=SECRETS)
        redacting = with_store(ports, RedactingSessionStore(ports.store, policy))
        first, second = [await imported(redacting, path) for _ in range(2)]
        stored = await everything(ports)

    assert KEY not in repr(stored)
    assert news_of(first) == (1, 11, 2, 0)
    assert (news_of(second), second.problems) == ((0, 0, 0, 0), ())


async def test_a_dry_run_counts_and_writes_nothing(
    ports: Ports, tmp_path: Path
) -> None:
    """
    It counts what an import would write, before and after one.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    before = await imported(ports, path, dry_run=True)
    stored = await ports.store.list_sessions()
    done = await imported(ports, path)
    after = await imported(ports, path, dry_run=True)

    assert stored == []
    assert news_of(before) == news_of(done)
    assert (news_of(after), after.events_known) == ((0, 0, 0, 0), 10)


async def test_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """
    The files of a folder, and of those below it, are those of the kind alone.
    """
    for name in ("b/2.jsonl", "b/1.jsonl", "c.jsonl.gz", "a.jsonl", "a.txt"):
        lines = write(tmp_path / name, prompt(1, name, sessionId=name)).read_bytes()
        if name.endswith(".gz"):
            (tmp_path / name).write_bytes(gzip.compress(lines))
    async with InMemoryPorts() as ports:
        done = await imported(ports, tmp_path)
        sessions = await ports.query.search_sessions(order_by="created_at_asc")

    assert done.source_count == 4
    assert {session.metadata["title"] for session in sessions} == {
        "a.jsonl",
        "b/1.jsonl",
        "b/2.jsonl",
        "c.jsonl.gz",
    }


async def test_a_damaged_file_is_reported_and_the_next_is_read(tmp_path: Path) -> None:
    """
    What stands in front of the damage is imported.
    """
    whole = b"".join(map(encoded, conversation() * 50))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(whole)[:-40])
    write(tmp_path / "b.jsonl", prompt(1, "Hi.", sessionId="b"))
    async with InMemoryPorts() as ports:
        done = await imported(ports, tmp_path)
        sessions = await ports.store.list_sessions()

    assert "unreadable" in {str(problem.code) for problem in done.problems}
    assert "claude-code/b" in {session.id for session in sessions}


async def test_standard_input_is_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    The path ``-`` is standard input, also while following.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    for follow in (False, True):
        given = io.TextIOWrapper(io.BytesIO(path.read_bytes()))
        monkeypatch.setattr(sys, "stdin", given)
        async with InMemoryPorts() as ports:
            done = await imported(ports, "-", follow=follow)

        assert news_of(done) == (1, 10, 2, 0)


@pytest.mark.parametrize(
    ("kind", "path", "error"),
    [
        ("nothing", ".", ValidationError),
        ("claude-code", "", ValidationError),
        ("claude-code", "a\0b", ValidationError),
        ("claude-code", "/there/is/no/such/file", NotFoundError),
        ("auto", "/there/is/no/such/file", NotFoundError),
        ("auto", "-", ValidationError),
    ],
)
async def test_what_cannot_be_imported_is_refused(
    kind: str, path: str, error: type[Exception]
) -> None:
    """
    A kind or a source that there is not is an error before anything is written.
    """
    async with InMemoryPorts() as ports:
        with pytest.raises(error):
            await import_from(ports, kind, path)


async def test_the_kind_is_found_by_looking(tmp_path: Path) -> None:
    """
    With ``auto`` a file or a folder is imported as what it looks like.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    (tmp_path / "a.txt").write_text("nothing")
    async with InMemoryPorts() as ports:
        for each in (path, tmp_path):
            await import_from(ports, "auto", str(each))
        with pytest.raises(ValidationError):
            await import_from(ports, "auto", str(tmp_path / "a.txt"))
        sessions = await ports.store.list_sessions()

    assert [session.id for session in sessions] == [ID]


class Following:
    """
    An import that follows, and what it has said so far.

    Args:
        ports: Where to.

        path: What it follows.
    """

    def __init__(self, ports: Ports, path: Path) -> None:
        self._told = asyncio.Event()
        self._latest = ImportSummary()
        self._ports, self._path = ports, path
        self._looks = 0

    async def __aenter__(self) -> Self:
        """
        Begin to follow.
        """
        self._task = asyncio.create_task(
            imported(
                self._ports,
                self._path,
                follow=True,
                poll_interval=0.005,
                progress=self._take,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """
        Cancel it.
        """
        self._task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._task

    def _take(self, latest: ImportSummary) -> None:
        self._latest = latest
        self._looks += 1
        self._told.set()

    async def until(self, is_so: Callable[[ImportSummary], bool]) -> ImportSummary:
        """
        Return the first summary of which *is_so* holds.
        """
        async with asyncio.timeout(30):
            while not is_so(self._latest):
                self._told.clear()
                await self._told.wait()
        return self._latest

    async def look_again(self) -> ImportSummary:
        """
        Return what it says when it has looked at all once more.
        """
        begun = self._looks
        return await self.until(lambda _: self._looks >= begun + 4)


def append(path: Path, *pieces: Any) -> None:
    """
    Write more to a file.
    """
    with path.open("ab") as file:
        for piece in pieces:
            file.write(encoded(piece))


async def test_what_is_written_while_it_follows_is_imported(
    ports: Ports, tmp_path: Path
) -> None:
    """
    Lines are imported as soon as they are whole, and so are new files.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    async with Following(ports, tmp_path) as following:
        await following.until(lambda done: done.events_imported == 10)
        half = encoded(prompt(10, "More."))
        append(path, half[:30])
        await following.look_again()
        append(path, half[30:])
        done = await following.until(lambda done: done.events_imported == 11)
        write(tmp_path / "t.jsonl", prompt(1, "Hi.", sessionId="t"))
        await following.until(lambda done: done.events_imported == 12)

    assert done.problems == ()


async def test_a_file_that_was_replaced_or_cut_is_read_from_its_beginning(
    tmp_path: Path,
) -> None:
    """
    What is new in it is added, whatever happened to the file.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    async with InMemoryPorts() as ports, Following(ports, tmp_path) as following:
        await following.until(lambda done: done.events_imported == 10)
        other = write(tmp_path / "other", *conversation(), prompt(10, "Replaced."))
        other.replace(path)
        await following.until(lambda done: done.events_imported == 11)
        write(path, prompt(11, "Cut.", after=0))
        await following.until(lambda done: done.events_imported == 12)
        write(path, *conversation())
        await following.until(lambda done: done.events_known >= 20)
        write(path, *conversation()[:3], prompt(12, "Shorter.", after=0))
        done = await following.until(lambda done: done.events_imported == 13)

    assert done.problems == ()


async def test_a_growing_answer_has_one_run(tmp_path: Path) -> None:
    """
    The run of an answer that is read in two goes has the tokens of its last line.
    """
    path = write(tmp_path / "s.jsonl", prompt(1, "Hi."), answer(2, text("A")))
    async with InMemoryPorts() as ports:
        async with Following(ports, tmp_path) as following:
            await following.until(lambda done: done.runs_imported == 1)
            append(path, answer(3, text("B"), message="msg_2"))
            await following.until(lambda done: done.runs_changed == 1)
        (run,) = await ports.store.list_runs(ID)
        again = await imported(ports, path)

    assert run.output_tokens == 3
    assert news_of(again) == (0, 0, 0, 0)


async def test_progress_tells_of_each_batch(tmp_path: Path) -> None:
    """
    The counts grow to those that are returned.
    """
    path = write(tmp_path / "s.jsonl", *conversation())
    told: list[ImportSummary] = []
    async with InMemoryPorts() as ports:
        done = await imported(ports, path, progress=told.append)

    counts: Sequence[int] = [each.events_imported for each in told]
    assert counts == sorted(counts)
    assert told[-1] == done
