"""
Importing the databases of LangGraph's savers.
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import ormsgpack
import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import ValidationError
from asm_async.importers import ImportSummary, ProblemCode, import_from
from asm_async.transcripts import read_transcript
from tests.importers.written_checkpoints import (
    AT,
    Checkpoints,
    message,
    named,
    packed,
)
from tests.importers.written_databases import WrittenDatabase

ID = "langgraph-thread/1"
QUESTION = message("human", "Will it rain?", id="m1")
CALL = message(
    "ai",
    "",
    id="m2",
    tool_calls=[{"id": "c1", "name": "weather", "args": {"city": "Rome"}}],
    usage_metadata={"input_tokens": 10, "output_tokens": 2, "total_tokens": 12},
    response_metadata={"model_name": "gpt", "model_provider": "openai"},
)
RESULT = message("tool", "no data", id="m3", tool_call_id="c1", status="error")
ANSWER = message(
    "ai",
    [{"type": "text", "text": "Perhaps."}],
    id="m4",
    usage_metadata={"input_tokens": 20, "output_tokens": 3, "total_tokens": 23},
)


@pytest.fixture
async def checkpoints(written: WrittenDatabase) -> Checkpoints:
    """
    Return the tables of a saver on each database.
    """
    made = Checkpoints(written)
    await made.create()
    return made


async def imported(ports: Ports, checkpoints: Checkpoints) -> ImportSummary:
    """
    Import the database.
    """
    return await import_from(ports, "langgraph", checkpoints.written.url)


async def said(ports: Ports, session_id: str) -> list[Any]:
    """
    Return what the messages of a session say.
    """
    transcript = await read_transcript(ports.store, session_id)
    return [message.content for message in transcript.messages if message.content]


async def test_messages_are_appended_once(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    A list that grows from checkpoint to checkpoint is one event for each message.
    """
    await checkpoints.chat([QUESTION], [CALL], [RESULT], [ANSWER])
    done = await imported(ports, checkpoints)
    assert (done.record_count, done.problem_count) == (4, 0)
    events = await ports.store.get_events(ID)
    assert [event.type for event in events] == [
        "message_sent",
        "imported.record",
        "message_received",
        "tool_call_started",
        "imported.record",
        "tool_call_failed",
        "imported.record",
        "message_received",
        "imported.record",
    ]
    assert events[0].data["original"] == {
        "type": "human",
        "data": {
            "content": "Will it rain?",
            "additional_kwargs": {},
            "type": "human",
            "id": "m1",
        },
    }
    assert events[5].data["tool_name"] == "weather"
    assert events[7].timestamp == AT + timedelta(seconds=4)
    session = await ports.store.get_session(ID)
    assert (session.agent_id, session.user_id) == ("langgraph", "ann")


async def test_an_invocation_is_a_run_with_its_tokens(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    Tokens, model and provider are those that the answers report, added up.
    """
    await checkpoints.chat([QUESTION], [CALL], [RESULT], [ANSWER])
    await imported(ports, checkpoints)
    (run,) = await ports.store.list_runs(ID)
    assert (run.total_tokens, run.model, run.provider) == (35, "gpt", "openai")
    assert (run.input, run.status) == ("Will it rain?", "completed")
    assert run.output == [{"type": "text", "text": "Perhaps."}]
    events = await ports.store.get_events(ID)
    assert {event.run_id for event in events} == {run.id}


async def test_a_grown_thread_adds_what_is_new(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    A second import adds nothing, and one of a thread that went on what is new.
    """
    await checkpoints.chat([QUESTION], [CALL])
    await imported(ports, checkpoints)
    again = await imported(ports, checkpoints)
    assert (again.events_imported, again.runs_imported, again.runs_changed) == (0,) * 3
    await checkpoints.put(3, 2, {"messages": [QUESTION, CALL, RESULT]})
    done = await imported(ports, checkpoints)
    assert (done.events_imported, done.runs_changed, done.problem_count) == (2, 1, 0)


async def test_a_fork_is_a_session_below(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    The first that follows a checkpoint goes on; a second begins a session of its own.
    """
    other = message("human", "Or snow?", id="m5")
    await checkpoints.chat([QUESTION], [ANSWER])
    await checkpoints.put(3, 1, {"messages": [QUESTION, other]})
    await checkpoints.put(4, 3, {"messages": [QUESTION, other, ANSWER]})
    done = await imported(ports, checkpoints)
    assert done.problem_count == 0
    fork = f"{ID}//id-0003"
    assert (await ports.store.get_session(fork)).parent_session_id == ID
    assert await said(ports, ID) == [
        "Will it rain?",
        [{"type": "text", "text": "Perhaps."}],
    ]
    assert (await said(ports, fork))[:2] == ["Will it rain?", "Or snow?"]
    runs = [*await ports.store.list_runs(ID), *await ports.store.list_runs(fork)]
    # An answer that stands on both branches was given once.
    assert sum(run.total_tokens for run in runs) == 23


async def test_subgraphs_are_sessions_below(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    A namespace with a state of its own is a session, whose parent is the thread's.
    """
    await checkpoints.chat([QUESTION])
    await checkpoints.put(2, None, {"messages": [ANSWER]}, namespace="helper:1")
    await imported(ports, checkpoints)
    below = await ports.store.get_session(f"{ID}/helper:1")
    assert below.parent_session_id == ID


async def test_errors_and_interrupts_are_events(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    What a task has raised fails the run; what it waits for is there.
    """
    await checkpoints.chat([QUESTION])
    await checkpoints.write(1, "__error__", "msgpack", packed("ValueError('no')"))
    asked = named("langgraph.types", "Interrupt", {"value": "Allowed?"})
    await checkpoints.write(1, "__interrupt__", "msgpack", packed([asked]))
    await imported(ports, checkpoints)
    events = await ports.store.get_events(ID)
    assert [event.type for event in events][-2:] == [
        "error_occurred",
        "langgraph.interrupted",
    ]
    assert events[-1].data["original"]["value"] == [
        {"object": "langgraph.types.Interrupt", "value": {"value": "Allowed?"}}
    ]
    (run,) = await ports.store.list_runs(ID)
    assert run.error == {"error_message": "ValueError('no')"}


async def test_values_are_plain_beside_their_classes(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    Objects in other channels are read as members; nothing is imported or called.
    """
    hostile = named("antigravity", "fly", {}, 0)
    unknown = ormsgpack.Ext(77, b"\x01")
    values = {"a": hostile, "b": unknown, "c": b"\x00", "__start__": 1}
    await checkpoints.put(1, None, values)
    done = await imported(ports, checkpoints)
    assert done.problem_count == 0
    assert "antigravity" not in sys.modules
    (event,) = await ports.store.get_events(ID)
    assert event.data["original"]["channel_values"] == {
        "a": {"object": "antigravity.fly", "value": {}},
        "b": {"extension": 77, "bytes": "AQ=="},
        "c": {"bytes": "AA=="},
    }


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("pickle", b"cos\nsystem\n(Vtouch made\ntR.", "not loaded"),
        ("msgpack+aes", b"x", "encrypted"),
        ("strange", b"x", "unknown"),
        ("msgpack", b"\xc1", "no MessagePack"),
        ("json", b"{", "no JSON"),
    ],
)
async def test_unreadable_values_are_reported(
    checkpoints: Checkpoints, kind: str, value: bytes, reason: str
) -> None:
    """
    What cannot be read without a key, or without running code, is named.
    """
    await checkpoints.chat([QUESTION])
    await checkpoints.write(1, "__error__", kind, value)
    async with InMemoryPorts() as ports:
        done = await imported(ports, checkpoints)
    (problem,) = done.problems
    assert (problem.source, problem.code) == ("checkpoints", ProblemCode.NOT_UNDERSTOOD)
    assert reason in problem.reason
    assert "checkpoint 'id-0001' of thread '1'" in problem.reason


async def test_damaged_rows_are_reported(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    A row that is no checkpoint is named, and the thread goes on.
    """
    await checkpoints.chat([QUESTION], [CALL])
    bad: Any = '"text"' if checkpoints.written.kind == "postgresql" else b"\xc1"
    await checkpoints.written.run(
        "UPDATE checkpoints SET checkpoint = :bad WHERE checkpoint_id = 'id-0001'",
        bad=bad,
    )
    done = await imported(ports, checkpoints)
    assert done.problem_count == 1
    assert "'id-0001'" in done.problems[0].reason
    assert await said(ports, ID) == ["Will it rain?"]


async def test_a_pruned_thread_is_known_again(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    Messages whose checkpoint was deleted are known by their ids, though found later.
    """
    await checkpoints.chat([QUESTION], [CALL], [RESULT])
    await imported(ports, checkpoints)
    await checkpoints.written.run(
        "DELETE FROM checkpoints WHERE checkpoint_id < 'id-0003'"
    )
    await checkpoints.put(4, 3, {"messages": [QUESTION, CALL, RESULT, ANSWER]})
    done = await imported(ports, checkpoints)
    assert (done.events_imported, done.problem_count) == (2, 0)
    assert len(await said(ports, ID)) == 2
    (run,) = await ports.store.list_runs(ID)
    assert run.total_tokens == 35
    again = await imported(ports, checkpoints)
    assert (again.events_imported, again.runs_changed) == (0, 0)


async def test_a_replaced_message_is_said_again(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    Other content under the same id is a further event; other members alone are none.
    """
    await checkpoints.chat([QUESTION])
    same = message("human", "Will it rain?", id="m1", name=None)
    await checkpoints.put(2, 1, {"messages": [same]})
    await checkpoints.put(3, 2, {"messages": [message("human", "And snow?", id="m1")]})
    await imported(ports, checkpoints)
    assert await said(ports, ID) == ["Will it rain?", "And snow?"]


async def test_messages_without_ids_are_told_apart(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    The same text twice in one list is said twice, and once in each further list.
    """
    yes = {"role": "user", "content": "Yes."}
    await checkpoints.chat([yes], [yes], [{"role": "assistant", "content": "Good."}])
    await imported(ports, checkpoints)
    assert await said(ports, ID) == ["Yes.", "Yes.", "Good."]


async def test_older_json_is_read(ports: Ports, written: WrittenDatabase) -> None:
    """
    Checkpoints of versions that wrote LangChain's JSON are read like others.
    """
    envelope = {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": "Will it rain?", "type": "human"},
    }
    kept = {"v": 1, "id": "id-1", "ts": AT.isoformat(), "channel_versions": {"m": 1}}
    keys = ("thread_id TEXT", "checkpoint_ns TEXT", "checkpoint_id TEXT")
    row: dict[str, Any] = {
        "thread_id": "1",
        "checkpoint_ns": "",
        "checkpoint_id": "id-1",
        "metadata": b"{}",
    }
    content = [envelope]
    if written.kind == "sqlite":
        await written.create(
            "checkpoints", *keys, "type TEXT", "checkpoint {bytes}", "metadata {bytes}"
        )
        whole = json.dumps({**kept, "channel_values": {"m": content}}).encode()
        await written.insert(
            "checkpoints", {**row, "type": "json", "checkpoint": whole}
        )
    else:
        await written.create(
            "checkpoints", *keys, "checkpoint {jsonb}", "metadata {jsonb}"
        )
        await written.create(
            "checkpoint_blobs",
            *keys[:2],
            "channel TEXT",
            "version TEXT",
            "type TEXT",
            "blob {bytes}",
        )
        blob = {"thread_id": "1", "checkpoint_ns": "", "channel": "m", "version": "1"}
        data = json.dumps(content).encode()
        await written.insert("checkpoint_blobs", {**blob, "type": "json", "blob": data})
        await written.insert(
            "checkpoints", {**row, "checkpoint": json.dumps(kept), "metadata": "{}"}
        )
    done = await import_from(ports, "langgraph", written.url)
    assert done.problem_count == 0
    assert await said(ports, ID) == ["Will it rain?"]


async def test_a_value_of_megabytes_is_left_out(
    ports: Ports, checkpoints: Checkpoints
) -> None:
    """
    A channel's value that no event should carry is reported, with its length.
    """
    await checkpoints.put(1, None, {"page": "x" * 2_000_000, "small": 1})
    done = await imported(ports, checkpoints)
    assert "2000002 characters" in done.problems[0].reason
    (event,) = await ports.store.get_events(ID)
    assert event.data["original"]["channel_values"] == {"small": 1}


async def test_a_database_without_the_tables_is_refused(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    The error says which table was looked for.
    """
    await written.create("checkpoints", "thread_id TEXT", "thread_ts TEXT")
    with pytest.raises(ValidationError, match="table checkpoints"):
        await import_from(ports, "langgraph", written.url)
