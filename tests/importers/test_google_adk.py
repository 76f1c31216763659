"""
Importing the databases of Google ADK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

from asm_async import Ports
from asm_async.errors import ValidationError
from asm_async.importers import ImportSummary, ProblemCode, import_from
from asm_async.integrations.records.adk_names import UPDATE_KEY
from asm_async.transcripts import read_transcript
from tests.importers.pickled_actions import ACTIONS, ACTIONS_AS_JSON, attacks
from tests.importers.written_databases import WrittenDatabase

AT = datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ID = "adk/app/ann/s1"
QUESTION = {
    "author": "user",
    "content": {"role": "user", "parts": [{"text": "Will it rain?"}]},
}
CALL = {
    "author": "helper",
    "content": {
        "role": "model",
        "parts": [{"function_call": {"id": "c1", "name": "w", "args": {"a": 1}}}],
    },
    "long_running_tool_ids": ["c1"],
}
RESULT: dict[str, Any] = {
    "author": "helper",
    "content": {
        "role": "user",
        "parts": [{"function_response": {"id": "c1", "name": "w", "response": {}}}],
    },
}
ANSWER = {
    "author": "helper",
    "content": {"role": "model", "parts": [{"text": "No."}]},
    "usage_metadata": {"prompt_token_count": 40, "candidates_token_count": 5},
    "model_version": "gemini",
    "actions": {"state_delta": {"topic": "sun"}},
}
FAILURE = {"author": "helper", "error_code": "X", "error_message": "bad"}
_COLUMNS = ("author", "branch", "error_code", "error_message")
_JSON_COLUMNS = ("content", "usage_metadata", "custom_metadata")


def at_second(written: WrittenDatabase, number: float, offset: int = 0) -> Any:
    """
    Return a time as the database has it, in a zone so many hours ahead of UTC.
    """
    at = (AT + timedelta(seconds=number, hours=offset)).replace(tzinfo=None)
    return at if written.kind == "postgresql" else f"{at}"


async def create(written: WrittenDatabase, *columns_of_events: str) -> None:
    """
    Create ADK's tables, with a session and state of all three kinds.
    """
    state = "state {jsonb}" if written.kind == "postgresql" else "state TEXT"
    keys = ("app_name VARCHAR(128)", "user_id VARCHAR(128)")
    await written.create("app_states", keys[0], state)
    await written.create("user_states", *keys, state)
    times = ("create_time {time}", "update_time {time}")
    await written.create("sessions", *keys, "id VARCHAR(128)", state, *times)
    names = ("id", "app_name", "user_id", "session_id", "invocation_id")
    columns = [f"{name} VARCHAR(256)" for name in names]
    await written.create("events", *columns, "timestamp {time}", *columns_of_events)
    app, user = {"app_name": "app"}, {"app_name": "app", "user_id": "ann"}
    await written.insert("app_states", {**app, "state": '{"v": 1}'})
    await written.insert("user_states", {**user, "state": '{"city": "Rome"}'})
    await written.insert(
        "sessions",
        {
            **user,
            "id": "s1",
            "state": '{"topic": "rain"}',
            "create_time": at_second(written, 0),
            "update_time": at_second(written, 0),
        },
    )


async def add(
    written: WrittenDatabase, *events: Mapping[str, Any], first: int = 1
) -> None:
    """
    Add events to the session, in the schema that has them as JSON.
    """
    for number, event in enumerate(events, first):
        await written.insert(
            "events",
            {
                **keys_of(number),
                "timestamp": at_second(written, number),
                "event_data": json.dumps(
                    {**event, "timestamp": AT.timestamp() + number}
                ),
            },
        )
    await updated(written, first + len(events) - 1)


def keys_of(number: int) -> dict[str, Any]:
    """
    Return the key of an event.
    """
    return {
        "id": f"event-{number}",
        "app_name": "app",
        "user_id": "ann",
        "session_id": "s1",
        "invocation_id": "e-1",
    }


async def updated(written: WrittenDatabase, number: int) -> None:
    """
    Set when the session was updated.
    """
    at = at_second(written, number)
    await written.run("UPDATE sessions SET update_time = :at", at=at)


async def create_with_json(written: WrittenDatabase) -> None:
    """
    Create the tables whose events are JSON.
    """
    data = "{jsonb}" if written.kind == "postgresql" else "TEXT"
    await create(written, f"event_data {data}")


async def create_with_pickles(written: WrittenDatabase) -> None:
    """
    Create the tables whose events have a column for each member.
    """
    texts = [f"{name} TEXT" for name in _COLUMNS]
    json_type = "{jsonb}" if written.kind == "postgresql" else "TEXT"
    objects = [f"{name} {json_type}" for name in _JSON_COLUMNS]
    await create(
        written,
        "actions {bytes}",
        "long_running_tool_ids_json TEXT",
        *texts,
        *objects,
        "partial BOOLEAN",
    )


async def add_pickled(
    written: WrittenDatabase,
    event: Mapping[str, Any],
    actions: bytes | None,
    *,
    number: int = 1,
    offset: int = 0,
) -> None:
    """
    Add an event in the schema with pickles.
    """
    row: dict[str, Any] = {name: event.get(name) for name in _COLUMNS}
    for name in _JSON_COLUMNS:
        row[name] = json.dumps(event[name]) if name in event else None
    ids = event.get("long_running_tool_ids")
    await written.insert(
        "events",
        {
            **keys_of(number),
            **row,
            "timestamp": at_second(written, number, offset),
            "actions": actions,
            "long_running_tool_ids_json": None if ids is None else json.dumps(ids),
        },
    )
    await updated(written, number)


async def imported(ports: Ports, written: WrittenDatabase) -> ImportSummary:
    """
    Import the database.
    """
    return await import_from(ports, "google-adk", written.url)


@pytest.mark.parametrize("written_url", ["sqlite"], indirect=True)
async def test_a_time_between_two_microseconds_is_kept(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    When a session was updated is the number that ADK has stored, to the last bit.
    """
    await create_with_json(written)
    at = 1796059861.3479269
    await written.run("UPDATE sessions SET update_time = :at", at=at)
    await imported(ports, written)
    items = await ports.state.get_items(ID, [UPDATE_KEY])
    (data,) = [cast("dict[str, Any]", item.data) for item in items.values()]

    assert at != round(at, 6)
    assert data["last_update_time"] == at


async def test_events_are_told_by_the_conventions(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    Messages, calls, results and errors have their types; ADK's event is there, whole.
    """
    await create_with_json(written)
    await add(written, QUESTION, CALL, RESULT, ANSWER, FAILURE)
    done = await imported(ports, written)
    assert (done.record_count, done.events_imported, done.problem_count) == (5, 6, 0)
    events = await ports.store.get_events(ID)
    assert [event.type for event in events] == [
        "session_created",
        "message_sent",
        "tool_call_started",
        "tool_call_completed",
        "message_received",
        "error_occurred",
    ]
    assert events[4].data["original"] == {
        **ANSWER,
        "id": "event-4",
        "invocation_id": "e-1",
        "timestamp": AT.timestamp() + 4,
    }
    assert events[4].timestamp == AT + timedelta(seconds=4)
    session = await ports.store.get_session(ID)
    assert (session.agent_id, session.user_id) == ("app", "ann")
    transcript = await read_transcript(ports.store, ID)
    assert transcript.messages[-1].content == "No."


async def test_invocations_are_runs_with_their_tokens(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    An invocation is a run with its question, its answer, its model and its tokens.
    """
    await create_with_json(written)
    await add(written, QUESTION, CALL, RESULT, ANSWER)
    await imported(ports, written)
    (run,) = await ports.store.list_runs(ID)
    assert (run.id, run.status, run.total_tokens) == ("e-1", "completed", 45)
    assert (run.input, run.output, run.model) == ("Will it rain?", "No.", "gemini")


async def test_state_is_in_items_of_three_scopes(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    State of the app, the user and the session is where ADK's service looks for it.
    """
    await create_with_json(written)
    await add(written, QUESTION)
    await imported(ports, written)
    for scope, key, value in (
        ("adk/app", "v", 1),
        ("adk/app/ann", "city", "Rome"),
        (ID, "topic", "rain"),
    ):
        items = await ports.state.get_items(scope, [key])
        assert items[key].data == value


async def test_a_grown_database_adds_what_is_new(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    A further import adds new events, goes on with their run, and renews the state.
    """
    await create_with_json(written)
    await add(written, QUESTION)
    await imported(ports, written)
    again = await imported(ports, written)
    assert (again.events_imported, again.items_imported, again.runs_changed) == (0,) * 3
    await add(written, ANSWER, first=2)
    await written.run("""UPDATE sessions SET state = '{"topic": "sun"}'""")
    done = await imported(ports, written)
    assert (done.events_imported, done.runs_changed, done.problem_count) == (1, 1, 0)
    items = await ports.state.get_items(ID, ["topic"])
    assert items["topic"].data == "sun"
    (run,) = await ports.store.list_runs(ID)
    assert (run.status, run.total_tokens) == ("completed", 45)


async def test_state_that_was_changed_here_is_not_replaced(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    An item that somebody has changed since it was imported stays, and is reported.
    """
    await create_with_json(written)
    await add(written, QUESTION)
    await imported(ports, written)
    (item,) = (await ports.state.get_items(ID, ["topic"])).values()
    await ports.state.save_items([attrs.evolve(item, data="ours")])
    await written.run("""UPDATE sessions SET state = '{"topic": "sun"}'""")
    done = await imported(ports, written)
    assert [problem.code for problem in done.problems] == [ProblemCode.CONFLICT]
    items = await ports.state.get_items(ID, ["topic"])
    assert items["topic"].data == "ours"


async def test_pickled_actions_are_read_as_json(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    Of the older schema an event comes out as ADK writes it as JSON today.
    """
    await create_with_pickles(written)
    await add_pickled(written, CALL, ACTIONS)
    done = await imported(ports, written)
    assert done.problem_count == 0
    event = (await ports.store.get_events(ID))[1]
    assert event.data["original"] == {
        **CALL,
        "id": "event-1",
        "invocation_id": "e-1",
        "timestamp": AT.timestamp() + 1,
        "actions": ACTIONS_AS_JSON,
    }


async def test_hostile_actions_execute_nothing(
    ports: Ports, written: WrittenDatabase, tmp_path: Path
) -> None:
    """
    Of an event whose pickle is an attack the rest is imported, and the bytes are kept.
    """
    target = tmp_path / "made"
    await create_with_pickles(written)
    hostile = attacks(target)
    for number, data in enumerate(hostile.values(), 1):
        await add_pickled(written, QUESTION, data, number=number)
    done = await imported(ports, written)
    assert not target.exists()
    assert done.events_imported == 1 + len(hostile)
    assert done.problem_count == len(hostile)
    assert {problem.source for problem in done.problems} == {"events"}
    assert "'event-1' of 's1': actions" in done.problems[0].reason
    for event in (await ports.store.get_events(ID))[1:]:
        assert event.data["content"] == "Will it rain?"
        assert event.metadata["imported"]["unread"]["actions"]


@pytest.mark.parametrize("offset", [-5, 2])
async def test_times_in_local_time_are_set_right(
    ports: Ports, written: WrittenDatabase, offset: int
) -> None:
    """
    In an SQLite file the zone in which older versions wrote is found by the session.
    """
    await create_with_pickles(written)
    await add_pickled(written, QUESTION, None, number=1, offset=offset)
    await add_pickled(written, ANSWER, None, number=2, offset=offset)
    await imported(ports, written)
    _, first, second = await ports.store.get_events(ID)
    shift = timedelta(hours=offset if written.kind == "postgresql" else 0)
    assert first.timestamp == AT + timedelta(seconds=1) + shift
    assert second.timestamp == AT + timedelta(seconds=2) + shift


async def test_damaged_rows_are_reported(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    Rows and columns that cannot be read are named, and stop nothing.
    """
    await create_with_json(written)
    await add(written, QUESTION)
    bad = ["7", '"text"', "[1]"]
    if written.kind == "sqlite":
        # JSONB holds nothing but JSON.
        bad += ["{", '{"a": NaN}']
    for number, data in enumerate(bad, 2):
        row = {**keys_of(number), "timestamp": at_second(written, number)}
        await written.insert("events", {**row, "event_data": data})
    await add(written, {"content": {"parts": 7}}, {"content": [1]}, first=9)
    await written.run("UPDATE user_states SET state = '[]'")
    done = await imported(ports, written)
    assert done.problem_count == len(bad) + 1
    assert done.problems[-1].source == "user_states"
    events = await ports.store.get_events(ID)
    assert [event.type for event in events] == [
        "session_created",
        "message_sent",
        "adk.event",
        "adk.event",
    ]


async def test_a_database_without_the_tables_is_refused(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    The error says which tables were looked for.
    """
    await written.create("sessions", "id {number}")
    with pytest.raises(ValidationError, match="sessions and events"):
        await imported(ports, written)
