from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from claude_agent_sdk import SessionKey

from asm_async import Ports, errors
from asm_async.integrations.claude_agent import AGENT_ID, SUBAGENT_ID, AsmSessionStore
from asm_async.testing import concurrency
from tests.frameworks.claude_agent.entries import (
    KEY,
    LIST_KEY,
    answered,
    conversation,
    folded,
    said,
    text,
    titled,
)


def subkey(name: str) -> SessionKey:
    """
    Return the key of a subagent's transcript.
    """
    return {**KEY, "subpath": f"subagents/{name}"}


async def test_what_was_appended_is_loaded_equal_and_in_order(ports: Ports) -> None:
    """
    Entries of every kind come back deep-equal, however they were cut into batches.
    """
    store, entries = AsmSessionStore(ports), conversation()
    given = copy.deepcopy(entries)

    for first in range(0, len(entries), 5):
        await store.append(KEY, entries[first : first + 5])

    assert await store.load(KEY) == given
    assert entries == given


async def test_odd_values_are_kept_as_they_are(ports: Ports) -> None:
    """
    Entries whose messages are of no known shape come back equal, too.
    """
    store = AsmSessionStore(ports)
    odd: list[Any] = [
        said("", "an empty uuid"),
        said("", "another one"),
        {"type": "user", "uuid": 7, "message": None},
        {"type": "user", "uuid": "a", "message": {"content": [1, {"type": "text"}]}},
        {"type": "assistant", "uuid": "b", "message": {"id": "", "content": []}},
        {"type": "assistant", "message": {"content": [{"type": "tool_use"}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result"}]}},
        answered("c", "m" * 400, text("long"), input_tokens=-1),
        {"uuid": "d" * 600, "timestamp": "soon", "text": "\x00 \ud800 \U0001f600"},
        {"type": "user", "timestamp": "2026-01-01T00:00:00", "original": {"a": 1}},
    ]

    await store.append(KEY, odd)

    assert await store.load(KEY) == odd


async def test_a_known_uuid_is_ignored_whatever_it_says(ports: Ports) -> None:
    """
    The first entry of a uuid stays; later ones change neither entries nor summary.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u1", "one", customTitle="first"), said("u1", "1")])
    await store.append(KEY, [said("u2", "two", customTitle="second")])
    before = await store.list_session_summaries(KEY["project_key"])

    await store.append(KEY, [said("u1", "other", customTitle="first")])
    await store.append(KEY, [said("u2", "two", customTitle="second"), said("u3", "3")])

    loaded = await store.load(KEY)
    assert loaded is not None
    assert [entry.get("uuid") for entry in loaded] == ["u1", "u2", "u3"]
    assert loaded[0] == said("u1", "one", customTitle="first")
    after = await store.list_session_summaries(KEY["project_key"])
    assert after[0]["data"] == before[0]["data"] == folded(KEY, loaded)
    assert after[0]["data"]["custom_title"] == "second"


async def test_an_entry_without_uuid_is_always_appended(ports: Ports) -> None:
    """
    The same line twice, in one batch and in two, is there each time.
    """
    store, line = AsmSessionStore(ports), said(None, "again")

    await store.append(KEY, [line, line])
    await store.append(KEY, [line])

    assert await store.load(KEY) == [line, line, line]


async def test_a_subagents_uuids_are_its_own(ports: Ports) -> None:
    """
    The same uuid in a main transcript and in a subagent's is two entries.
    """
    store = AsmSessionStore(ports)

    await store.append(KEY, [said("u1", "main")])
    await store.append(subkey("agent-1"), [said("u1", "sub"), said("u2", "sub")])
    await store.append(subkey("agent-1"), [said("u1", "other"), said("u3", "sub")])

    assert await store.load(KEY) == [said("u1", "main")]
    loaded = await store.load(subkey("agent-1"))
    assert loaded == [said(name, "sub") for name in ("u1", "u2", "u3")]


async def test_writers_side_by_side_lose_nothing_and_no_summary(ports: Ports) -> None:
    """
    Batches of many writers stay whole, and the summary is that of the order they have.
    """
    stores = [AsmSessionStore(ports), AsmSessionStore(ports)]

    async def write(writer: int) -> None:
        for batch in range(5):
            name = f"{writer}-{batch}"
            lines = [titled(f"{name}-{n}", writer) for n in range(3)]
            await stores[writer % 2].append(KEY, lines)

    await concurrency.run_together(write(writer) for writer in range(8))

    loaded = await stores[0].load(KEY)
    assert loaded is not None
    uuids = [entry["uuid"] for entry in loaded]
    batches = [uuids[first : first + 3] for first in range(0, len(uuids), 3)]
    assert len(batches) == 40
    assert all(
        len({uuid.rpartition("-")[0] for uuid in batch}) == 1 for batch in batches
    )
    for writer in range(8):
        own = [uuid for uuid in uuids if uuid.startswith(f"{writer}-")]
        assert own == [f"{writer}-{b}-{n}" for b in range(5) for n in range(3)]
    (summary,) = await stores[1].list_session_summaries(KEY["project_key"])
    assert summary["data"] == folded(KEY, loaded)


async def test_the_same_batch_from_many_writers_is_stored_once(ports: Ports) -> None:
    """
    Of writers that append the same uuids at once, with other words, one writes each.
    """
    stores = [AsmSessionStore(ports) for _ in range(6)]
    keys = [KEY, subkey("agent-1")]

    for key in keys:
        await concurrency.run_together(
            store.append(key, [said(f"u{n}", f"{writer}") for n in range(4)])
            for writer, store in enumerate(stores)
        )

        loaded: Any = await stores[0].load(key)
        assert [entry["uuid"] for entry in loaded] == ["u0", "u1", "u2", "u3"]
        assert len({entry["message"]["content"] for entry in loaded}) == 1


async def test_a_cancelled_append_is_whole_or_nothing(ports: Ports) -> None:
    """
    Whenever an append is cancelled, entries, summary and runs are stored together.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u0", "begin")])

    for turns in range(0, 60, 3):
        name = f"c{turns}"
        batch = [said(name, name, customTitle=name), answered(f"{name}a", name)]
        await concurrency.cancel_after(turns, store.append(KEY, batch))

    loaded = await store.load(KEY)
    assert loaded is not None
    (summary,) = await store.list_session_summaries(KEY["project_key"])
    assert summary["data"] == folded(KEY, loaded)
    stored = {entry["uuid"] for entry in loaded} - {"u0"}
    assert {f"{name}a" for name in stored if not name.endswith("a")} == {
        name for name in stored if name.endswith("a")
    }
    runs = await ports.store.list_runs(f"claude-agent/{KEY['project_key']}/3f0c")
    assert len(runs) == len(stored) // 2


async def test_an_entry_that_is_no_json_leaves_nothing_behind(ports: Ports) -> None:
    """
    A batch with one wrong entry raises, names what is wrong, and stores nothing.
    """
    store = AsmSessionStore(ports)
    values: list[Any] = [{1}, float("nan"), b"bytes"]

    for value in values:
        wrong = said("u2", "two", value=value)
        with pytest.raises(errors.ValidationError, match="original"):
            await store.append(KEY, [said("u1", "one"), wrong])

    assert await store.load(KEY) is None
    assert await store.list_sessions(KEY["project_key"]) == []


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ("p/s", "key"),
        ({"session_id": "s"}, "project_key"),
        ({"project_key": "p", "session_id": 1}, "session_id"),
        ({"project_key": "p", "session_id": "s", "subpath": ""}, "subpath"),
        ({"project_key": "p", "session_id": "s", "subpath": 1}, "subpath"),
    ],
)
async def test_a_wrong_key_is_named(key: Any, named: str, ports: Ports) -> None:
    """
    A key without what it needs is refused by every method, with the member's name.
    """
    store = AsmSessionStore(ports)

    for call in (
        store.append(key, [said("u", "x")]),
        store.load(key),
        store.delete(key),
        store.list_subkeys(key),
    ):
        with pytest.raises(errors.ValidationError, match=named):
            await call


async def test_wrong_entries_are_named(ports: Ports) -> None:
    """
    What is no list of objects is refused, with the place of what is wrong.
    """
    store = AsmSessionStore(ports)
    wrong: list[Any] = ["entries", [said("u", "x"), "no object"], 1]

    with pytest.raises(errors.ValidationError, match="entries"):
        await store.append(KEY, wrong[0])
    with pytest.raises(errors.ValidationError, match=r"entries\[1\]"):
        await store.append(KEY, wrong[1])
    with pytest.raises(errors.ValidationError, match="project_key"):
        await store.list_sessions(wrong[2])


async def test_any_texts_are_keys_and_none_is_taken_for_another(ports: Ports) -> None:
    """
    Empty, long and odd keys, and such as look like two, have transcripts of their own.
    """
    store = AsmSessionStore(ports)
    long = "p" * 300
    await store.append({"project_key": long, "session_id": "s"}, [said("u", "long")])
    (session,) = await ports.store.list_sessions()
    digest = session.tenant_id
    assert digest is not None
    projects = ["", "a/b", "a", "a%2Fb", "\x00", "\ud800", digest, long + "q"]

    for project in projects:
        for name in ("s", "b/s", ""):
            key: SessionKey = {"project_key": project, "session_id": name}
            await store.append(key, [said("u", f"{project!r} {name}")])

    for project in projects:
        listed = await store.list_sessions(project)
        assert sorted(each["session_id"] for each in listed) == ["", "b/s", "s"]
        for name in ("s", "b/s", ""):
            key = {"project_key": project, "session_id": name}
            assert await store.load(key) == [said("u", f"{project!r} {name}")]
    assert len(await store.list_sessions(long)) == 1


async def test_deleting_a_main_transcript_takes_its_subagents(ports: Ports) -> None:
    """
    A deleted session is gone with all below it; others, and other projects, stay.
    """
    store = AsmSessionStore(ports)
    others: list[SessionKey] = [
        {**KEY, "session_id": "3f0"},
        {**KEY, "project_key": "-srv"},
    ]
    for key in (KEY, subkey("a"), subkey("b/c"), *others):
        await store.append(key, [said("u", "x")])
    assert await store.list_subkeys(LIST_KEY) == ["subagents/a", "subagents/b/c"]

    await store.delete(KEY)
    await store.delete(KEY)

    for key in (KEY, subkey("a"), subkey("b/c")):
        assert await store.load(key) is None
    assert await store.list_subkeys(LIST_KEY) == []
    assert [await store.load(key) for key in others] == [[said("u", "x")]] * 2
    assert len(await ports.store.list_sessions(include_deleted=True)) == 2
    await store.append(KEY, [said("u", "new")])
    assert await store.load(KEY) == [said("u", "new")]


async def test_a_deletion_takes_soft_deleted_subagents(ports: Ports) -> None:
    """
    A subagent's transcript goes with its main one, also if it was soft-deleted before.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u", "x")])
    await store.append(subkey("a"), [said("u", "x")])
    (sub,) = await ports.store.list_sessions(agent_id=SUBAGENT_ID)
    await ports.maintenance.soft_delete_session(sub.id)

    assert await store.list_subkeys(LIST_KEY) == []
    await store.delete(KEY)
    assert await ports.store.list_sessions(include_deleted=True) == []


async def test_a_deletion_that_breaks_off_leaves_no_orphan(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A deletion that ends after any step can be finished: the main transcript goes last.
    """
    store = AsmSessionStore(ports)
    for key in (KEY, subkey("a"), subkey("b")):
        await store.append(key, [said("u", "x")])
    delete = type(ports.store).delete_session
    deleted: list[str] = []

    async def break_off(self: Any, session_id: str, **options: Any) -> None:
        if len(deleted) == 2:
            raise errors.StorageUnavailableError("the connection is gone")
        deleted.append(session_id)
        await delete(self, session_id, **options)

    monkeypatch.setattr(type(ports.store), "delete_session", break_off)
    with pytest.raises(errors.StorageUnavailableError):
        await store.delete(KEY)
    monkeypatch.undo()

    assert [each["session_id"] for each in await store.list_sessions("-srv-shop")]
    await store.delete(KEY)
    assert await ports.store.list_sessions(include_deleted=True) == []


async def test_times_are_of_storage_in_milliseconds_and_grow(ports: Ports) -> None:
    """
    A session's mtime is that of its summary, and grows with each batch of its own.
    """
    store = AsmSessionStore(ports)
    seen = [int(time.time() * 1_000) - 1]

    for number in range(5):
        await store.append(KEY, [said(f"u{number}", "x", timestamp="2001-01-01")])
        await store.append(subkey("a"), [said(f"u{number}", "x")])
        (listed,) = await store.list_sessions(KEY["project_key"])
        (summary,) = await store.list_session_summaries(KEY["project_key"])
        assert listed["mtime"] == summary["mtime"]
        seen.append(listed["mtime"])

    assert seen == sorted(set(seen))
    assert seen[-1] <= time.time() * 1_000 + 10


async def test_a_soft_deleted_transcript_is_neither_listed_nor_loaded(
    ports: Ports,
) -> None:
    """
    A soft-deleted session is not resumed or appended to, and comes back if restored.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said("u", "x")])
    (session,) = await ports.store.list_sessions()

    await ports.maintenance.soft_delete_session(session.id)

    assert await store.load(KEY) is None
    assert await store.list_sessions(KEY["project_key"]) == []
    with pytest.raises(errors.SessionDeletedError):
        await store.append(KEY, [said("v", "y")])
    await ports.maintenance.restore_session(session.id)
    assert await store.load(KEY) == [said("u", "x")]


async def test_what_was_retracted_is_not_loaded(ports: Ports) -> None:
    """
    Entries that the application retracts from the session are not resumed with.
    """
    store = AsmSessionStore(ports)
    await store.append(KEY, [said(f"u{n}", "x") for n in range(4)])
    (session,) = await ports.store.list_sessions()

    await ports.store.retract_events(session.id, first=3, last=4)

    assert await store.load(KEY) == [said("u0", "x"), said("u1", "x")]


async def test_sessions_say_whose_they_are(ports: Ports) -> None:
    """
    The tenant is the project, subagents have their session as parent, users are named.
    """
    store = AsmSessionStore(ports, user_id="ada")
    await store.append(KEY, [said("u", "x")])
    await store.append(subkey("a"), [said("u", "x")])

    main, sub = await ports.store.list_sessions(tenant_id="-srv-shop", user_id="ada")

    assert (main.agent_id, sub.agent_id) == (AGENT_ID, SUBAGENT_ID)
    assert sub.parent_session_id == main.id
