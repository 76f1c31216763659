from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from strands.session import SnapshotSessionManager

from asm_async import Ports
from asm_async.conventions import shape_warnings
from asm_async.errors import StorageUnavailableError
from asm_async.integrations.strands import AsmStorage
from asm_async.integrations.strands.conversations import ConversationWriter
from asm_async.portal import Portal
from asm_async.transcripts import read_transcript
from tests.frameworks.strands.agents import (
    LATEST,
    blocks,
    make_agent,
    message,
    snapshot,
)

KEY = LATEST.format("s")


async def said(ports: Ports, session_id: str) -> list[Any]:
    """
    Return what a session's transcript says: role and content of each message.
    """
    transcript = await read_transcript(ports.store, session_id)
    return [(each.role.value, each.content) for each in transcript.messages]


async def texts(ports: Ports, storage: AsmStorage) -> list[Any]:
    """
    Return the contents of the transcript of the conversation ``s``.
    """
    return [content for _, content in await said(ports, storage.asm_session_id("s"))]


@pytest.mark.parametrize("strategy", ["message", "invocation"])
def test_an_agents_conversation_is_a_session(portal: Portal, strategy: str) -> None:
    """
    What an agent says over its restarts is listed, told, searched and counted once.
    """
    storage = AsmStorage(portal.ports, tenant_id="acme", user_id="ann")
    options = {"save_latest_on": strategy}
    make_agent(storage, "s", "Hello.", "Fine.", **options)("Hi!")
    agent = make_agent(storage, "s", "Fine.", **options)
    agent("How are you?")
    assert [each["role"] for each in agent.messages] == ["user", "assistant"] * 2

    async def look() -> None:
        ports = portal.opened
        [session] = await ports.store.list_sessions(user_id="ann", tenant_id="acme")
        assert session.id == storage.asm_session_id("s")
        assert session.agent_id == "strands/default"
        assert await said(ports, session.id) == [
            ("user", "Hi!"),
            ("assistant", "Hello."),
            ("user", "How are you?"),
            ("assistant", "Fine."),
        ]
        events = await ports.store.get_events(session.id)
        assert not [warning for each in events for warning in shape_warnings(each)]
        usage = await ports.query.get_usage_summary()
        assert (usage.run_count, usage.total_tokens) == (2, 30)
        found = await ports.query.search_events(session_ids=[session.id])
        assert len(found) == 4

    portal.call(look)


async def test_what_is_written_again_is_said_once(ports: Ports) -> None:
    """
    The same snapshot again, and the next one, append only what is new.
    """
    storage = AsmStorage(ports)
    first, second = message("one"), message("two", "assistant")
    for messages in ([first], [first], [first, second], [first, second]):
        await storage.write(KEY, snapshot(messages))
    assert await texts(ports, storage) == ["one", "two"]
    events = await ports.store.get_events(storage.asm_session_id("s"))
    assert [event.data["original"] for event in events] == [first, second]


async def test_messages_that_a_window_drops_stay_said(ports: Ports) -> None:
    """
    What a conversation manager drops or shortens, to save context, is still told.
    """
    storage = AsmStorage(ports)
    turns = [message(f"turn {number}") for number in range(6)]
    for number in range(1, 7):
        await storage.write(KEY, snapshot(turns[max(0, number - 3) : number]))
    shortened = {**turns[4], "content": [{"text": "..."}]}
    await storage.write(KEY, snapshot([shortened, turns[5], message("turn 6")]))
    assert await texts(ports, storage) == [f"turn {number}" for number in range(7)]


async def test_a_summary_of_what_was_said_is_kept_but_not_told(ports: Ports) -> None:
    """
    A message that is put before others is an event of an own type.
    """
    storage = AsmStorage(ports)
    turns = [message(f"turn {number}") for number in range(4)]
    await storage.write(KEY, snapshot(turns))
    summary = message("in short")
    await storage.write(KEY, snapshot([summary, *turns[2:], message("turn 4")]))
    await storage.write(KEY, snapshot([summary, *turns[2:], message("turn 5")]))
    assert await texts(ports, storage) == [
        *(f"turn {number}" for number in range(4)),
        "turn 5",
    ]
    session_id = storage.asm_session_id("s")
    kept = await ports.store.get_events(session_id, type="strands.context_message")
    assert [event.data["original"] for event in kept] == [summary]


async def test_a_redacted_message_is_retracted(ports: Ports) -> None:
    """
    The last message, replaced, is told as it is now, and the session hides the first.
    """
    storage = AsmStorage(ports)
    first, bad = message("one"), message("secret", name="m2")
    await storage.write(KEY, snapshot([first, bad]))
    redacted = message("[redacted]", name="m2")
    await storage.write(KEY, snapshot([first, redacted]))
    await storage.write(KEY, snapshot([first, redacted, message("two")]))
    assert await texts(ports, storage) == ["one", "[redacted]", "two"]


async def test_a_restored_snapshot_takes_back_what_came_after_it(ports: Ports) -> None:
    """
    Going back and on another way, twice to the same place, tells the last way alone.
    """
    storage = AsmStorage(ports)
    turns = [message(f"turn {number}") for number in range(5)]
    other, whole = message("another way"), snapshot(turns)
    await storage.write(KEY, whole)
    await storage.write(KEY, snapshot(turns[:2]))
    assert await texts(ports, storage) == ["turn 0", "turn 1"]
    await storage.write(KEY, snapshot([*turns[:2], other]))
    await storage.write(KEY, snapshot(turns[:4]))
    assert await texts(ports, storage) == ["turn 0", "turn 1", "turn 2", "turn 3"]
    await storage.write(KEY, snapshot([*turns[:2], other]))
    assert await texts(ports, storage) == ["turn 0", "turn 1", "another way"]
    await storage.write(KEY, whole)
    assert await texts(ports, storage) == [f"turn {number}" for number in range(5)]


async def test_a_conversation_that_begins_anew_goes_on(ports: Ports) -> None:
    """
    An agent that was emptied, or whose model keeps the history, takes nothing back.
    """
    storage = AsmStorage(ports)
    first, second = message("one"), message("two")
    await storage.write(KEY, snapshot([first]))
    await storage.write(KEY, snapshot([]))
    await storage.write(KEY, snapshot([second]))
    await storage.write(KEY, snapshot([first, second]))
    assert await texts(ports, storage) == ["one", "two"]


async def test_what_was_dropped_and_comes_back_is_not_said_twice(ports: Ports) -> None:
    """
    Messages that were dropped from the snapshots may come back at either end.
    """
    storage = AsmStorage(ports)
    a, b, c = (message(text) for text in "abc")
    await storage.write(KEY, snapshot([a, b]))
    await storage.write(KEY, snapshot([b, c]))
    await storage.write(KEY, snapshot([a, b, c]))
    assert await texts(ports, storage) == ["a", "b", "c"]


async def test_a_place_that_is_kept_for_a_message_is_filled(ports: Ports) -> None:
    """
    A streaming agent's pending message is told where it stands, once it is complete.
    """
    storage = AsmStorage(ports)
    status = {"custom": {"bidi": {"kind": "text", "status": "pending"}}}
    pending = {**blocks(role="assistant", name="m1"), "metadata": status}
    user = message("and I said")
    await storage.write(KEY, snapshot([pending]))
    await storage.write(KEY, snapshot([pending, user]))
    assert await texts(ports, storage) == ["and I said"]
    complete = message("I said", "assistant", name="m1")
    await storage.write(KEY, snapshot([complete, user]))
    assert await texts(ports, storage) == ["I said", "and I said"]


async def test_tools_are_told_with_their_results(ports: Ports) -> None:
    """
    Calls, results and failures are events of tools, with the names of the tools.
    """
    storage = AsmStorage(ports)
    call = {"toolUseId": "t1", "name": "weather", "input": {"city": "Oslo"}}
    other = {"toolUseId": "t2", "name": "clock", "input": {}}
    good = {"toolUseId": "t1", "status": "success", "content": [{"json": {"c": 3}}]}
    bad = {"toolUseId": "t2", "status": "error", "content": [{"text": "no clock"}]}
    messages = [
        message("weather and time?"),
        blocks(
            {"text": "I look."},
            {"reasoningContent": {"reasoningText": {"text": "hm"}}},
            {"toolUse": call},
            {"toolUse": other},
            role="assistant",
        ),
        blocks({"toolResult": good}, {"toolResult": bad}),
        blocks({"toolUse": {**call, "input": "Oslo"}}, role="assistant"),
    ]
    await storage.write(KEY, snapshot(messages))
    events = await ports.store.get_events(storage.asm_session_id("s"))
    assert [str(event.type) for event in events] == [
        "message_sent",
        "message_received",
        "tool_call_started",
        "tool_call_started",
        "tool_call_completed",
        "tool_call_failed",
        "tool_call_started",
    ]
    assert events[4].data["tool_output"] == {"c": 3}
    assert events[5].data["tool_name"] == "clock"
    assert not [warning for each in events for warning in shape_warnings(each)]
    originals = [each.data.get("original") for each in events]
    assert [each for each in originals if each] == messages
    transcript = await read_transcript(ports.store, storage.asm_session_id("s"))
    assert len(transcript.to_openai()) >= 5


async def test_media_and_documents_are_parts(ports: Ports) -> None:
    """
    Images are parts that providers take; documents are parts of Strands' own.
    """
    storage = AsmStorage(ports)
    encoded = {"__bytes_encoded__": True, "data": "aGk="}
    parts = blocks(
        {"text": "see"},
        {"image": {"format": "png", "source": {"bytes": encoded}}},
        {"image": {"format": "png", "source": {"location": {"uri": "s3://b/k"}}}},
        {"document": {"format": "txt", "name": "d", "source": {"bytes": encoded}}},
        {"guardContent": {"text": {"text": "guarded"}}},
        {"citationsContent": {"content": [{"text": "cited"}], "citations": []}},
        {"cachePoint": {"type": "default"}},
    )
    await storage.write(KEY, snapshot([parts]))
    [content] = await texts(ports, storage)
    assert [part["type"] for part in content] == [
        "text",
        "image",
        "image",
        "strands_document",
        "text",
        "text",
    ]
    assert content[1]["source"]["media_type"] == "image/png"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"scope":"agent"}',
        b'{"scope":"multiAgent","schema_version":"1.0","data":{},"created_at":""}',
        snapshot([{"no": "role"}]),
        snapshot([]).replace(b"[]", b'["text"]'),
        snapshot([]).replace(b'"1.0"', b'"9.9"'),
        b"[" * 100_000,
    ],
)
async def test_what_is_no_snapshot_is_bytes(ports: Ports, content: bytes) -> None:
    """
    Bytes that cannot be understood are stored whole, and say nothing.
    """
    storage = AsmStorage(ports)
    await storage.write(KEY, content)
    assert await storage.read(KEY) == content
    assert await ports.store.get_events(storage.asm_session_id("s")) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"role": "user", "content": [{"text": 1}]},
        {"role": "user", "content": [{"toolResult": {}}]},
        {"role": "assistant", "content": [{"toolUse": {"toolUseId": "", "name": 1}}]},
        {"role": "assistant", "content": ["text"]},
        {"role": "user", "content": [{"json": float("nan")}]},
        {"role": "user", "content": None},
        {"role": None, "content": [{"text": "x"}], "tracking_id": "n\0 " * 200},
        {"role": "user", "content": [{"text": "\ud800"}], "metadata": {"usage": 1}},
    ],
)
async def test_odd_messages_do_not_fail_a_write(
    ports: Ports, odd: dict[str, Any]
) -> None:
    """
    A message that no convention has a place for is kept, and those around it are told.
    """
    storage = AsmStorage(ports)
    messages = [message("before"), odd, odd, message("after")]
    await storage.write(KEY, snapshot(messages))
    await storage.write(KEY, snapshot([*messages, message("more")]))
    assert await storage.read(KEY) is not None
    told = await texts(ports, storage)
    assert [told[0], *told[-2:]] == ["before", "after", "more"]
    assert len(await ports.store.get_events(storage.asm_session_id("s"))) == 5


async def test_without_messages_there_are_snapshots_only(ports: Ports) -> None:
    """
    A storage that was told so writes no events.
    """
    storage = AsmStorage(ports, with_messages=False)
    await storage.write(KEY, snapshot([message("secret")]))
    assert await ports.store.get_events(storage.asm_session_id("s")) == []
    assert await storage.read(KEY) is not None


async def test_writers_side_by_side_say_each_message_once(ports: Ports) -> None:
    """
    However snapshots of one conversation race, each message is told once, in order.
    """
    storage = AsmStorage(ports)
    turns = [message(f"turn {number}") for number in range(8)]
    await storage.write(KEY, snapshot(turns[:1]))
    grown = [snapshot(turns[:number]) for number in range(1, 9)]
    await asyncio.gather(*(storage.write(KEY, data) for data in grown))
    await storage.write(KEY, snapshot(turns))
    assert await texts(ports, storage) == [f"turn {number}" for number in range(8)]
    assert await storage.read(KEY) is not None


async def test_of_two_writers_the_last_has_the_last_word(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Two writers that saw the same snapshot go two ways; log and snapshot tell one way.
    """
    storage = AsmStorage(ports)
    first = message("first")
    await storage.write(KEY, snapshot([first]))
    both_have_read = asyncio.Barrier(2)
    read = ConversationWriter._stored
    reads = iter([both_have_read.wait, both_have_read.wait])

    async def wait_for_the_other(writer: ConversationWriter) -> Any:
        found = await read(writer)
        if wait := next(reads, None):
            await wait()
        return found

    monkeypatch.setattr(ConversationWriter, "_stored", wait_for_the_other)
    ways = [snapshot([first, message(text)]) for text in ("one way", "another")]
    await asyncio.gather(*(storage.write(KEY, data) for data in ways))
    members = json.loads(await storage.read(KEY) or b"")
    kept = [each["content"][0]["text"] for each in members["data"]["messages"]]
    assert await texts(ports, storage) == kept


async def test_what_was_to_be_hidden_is_hidden_by_the_next_writer(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A writer that ends between its snapshot and the retraction leaves it to the next.
    """
    storage = AsmStorage(ports)
    turns = [message(f"turn {number}") for number in range(4)]
    await storage.write(KEY, snapshot(turns))

    async def fail(*_: Any, **__: Any) -> None:
        raise StorageUnavailableError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(ports.store), "retract_events", fail)
        with pytest.raises(Exception, match="gone"):
            await storage.write(KEY, snapshot([turns[0], message("anew")]))
    stored = json.loads(await storage.read(KEY) or b"")
    assert len(stored["data"]["messages"]) == 2
    await storage.write(KEY, snapshot([turns[0], message("once more")]))
    assert await texts(ports, storage) == ["turn 0", "once more"]


def test_a_deleted_conversation_is_gone_whole(portal: Portal) -> None:
    """
    When a manager deletes its session, events, runs and snapshots are gone.
    """
    storage = AsmStorage(portal.ports)
    for name in ("s", "other"):
        agent = make_agent(storage, name, "Hello.", snapshot_trigger=_always)
        agent("Hi!")
    manager = SnapshotSessionManager("s", storage=storage)
    asyncio.run(manager.delete_session())

    async def look() -> None:
        ports = portal.opened
        [left] = await ports.store.list_sessions()
        assert left.id == storage.asm_session_id("other")
        assert await ports.store.get_events(storage.asm_session_id("s")) == []
        assert (await ports.query.get_usage_summary()).run_count == 1

    portal.call(look)
    assert len(asyncio.run(storage.list())) == 2
    make_agent(storage, "s", "Again.")("Hi again!")
    read = portal.ports.store.get_events
    events = portal.call(lambda: read(storage.asm_session_id("s")))
    assert [event.data["content"] for event in events] == ["Hi again!", "Again."]


def _always(**_: Any) -> bool:
    return True


async def test_erasing_a_user_takes_the_snapshots_too(ports: Ports) -> None:
    """
    Snapshots, checkpoints and stashed content go with the session of their user.
    """
    storage = AsmStorage(ports, user_id="ann")
    await storage.write(KEY, snapshot([message("one")]))
    await storage.write("context/s/scopes/agent/default/ref_0", b"stashed")
    history = KEY.replace("snapshot_latest", "immutable_history/snapshot_1")
    await storage.write(history, snapshot([message("one")]))
    await storage.write("notes", b"mine")
    await ports.maintenance.erase(user_id="ann")
    assert await storage.list() == ["notes"]


async def test_agents_of_one_session_have_conversations_of_their_own(
    ports: Ports,
) -> None:
    """
    Each agent of a session, and each namespace, has a session of its own.
    """
    storage = AsmStorage(ports)
    part = storage.namespace("team")
    await storage.write(KEY, snapshot([message("default")]))
    await storage.write(KEY.replace("/default/", "/b/"), snapshot([message("b")]))
    key = KEY.removeprefix("session/")
    await part.write(key, snapshot([message("team")]))
    ids = [
        storage.asm_session_id("s"),
        storage.asm_session_id("s", "b"),
        part.asm_session_id("s"),
    ]
    found = [(await said(ports, each))[0][1] for each in ids]
    assert found == ["default", "b", "team"]
