"""
Importing the databases of the OpenAI Agents SDK.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.errors import ValidationError
from asm_async.importers import ImportSummary, ProblemCode, import_from
from asm_async.transcripts import read_transcript
from tests.importers.written_databases import WrittenDatabase

AT = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
ITEMS: list[dict[str, Any]] = [
    {"role": "user", "content": "Will it rain?"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {
        "type": "function_call",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Rome"}',
    },
    {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "No.", "annotations": []}],
    },
]


async def create(
    written: WrittenDatabase,
    *,
    sessions: str = "agent_sessions",
    messages: str = "agent_messages",
) -> None:
    """
    Create the two tables of the SDK.
    """
    await written.create(
        sessions,
        "session_id VARCHAR(255) PRIMARY KEY",
        "created_at {time} DEFAULT CURRENT_TIMESTAMP",
        "updated_at {time} DEFAULT CURRENT_TIMESTAMP",
    )
    await written.create(
        messages,
        "id {number}",
        "session_id VARCHAR(255) NOT NULL",
        "message_data TEXT NOT NULL",
        "created_at {time} DEFAULT CURRENT_TIMESTAMP",
    )


async def add(
    written: WrittenDatabase,
    session_id: str,
    *items: Any,
    messages: str = "agent_messages",
) -> None:
    """
    Add items to a session, text as it is.
    """
    at = AT.replace(tzinfo=None)
    rows = [
        {
            "session_id": session_id,
            "message_data": item if isinstance(item, str) else json.dumps(item),
            "created_at": at if written.kind == "postgresql" else f"{at}",
        }
        for item in items
    ]
    await written.insert(messages, *rows)


async def imported(ports: Ports, written: WrittenDatabase) -> ImportSummary:
    """
    Import the database.
    """
    return await import_from(ports, "openai-agents", written.url)


async def test_items_are_events_with_the_item_whole(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    Each row is one event of the conventions, at its time, with its item and its row.
    """
    await create(written)
    await add(written, "chat-1", *ITEMS)
    done = await imported(ports, written)
    assert (done.sessions_imported, done.events_imported) == (1, 5)
    assert done.problem_count == 0
    events = await ports.store.get_events("chat-1")
    assert [event.type for event in events] == [
        "message_sent",
        "openai.item",
        "tool_call_started",
        "tool_call_completed",
        "message_received",
    ]
    assert [event.data["original"] for event in events] == ITEMS
    assert {event.timestamp for event in events} == {AT}
    assert events[3].data["tool_name"] == "weather"
    assert events[4].metadata == {"imported": {"table": "agent_messages", "row": 5}}
    transcript = await read_transcript(ports.store, "chat-1")
    assert transcript.messages[0].content == "Will it rain?"


async def test_a_grown_database_adds_what_is_new(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    A second import adds only new rows; one that has vanished changes nothing.
    """
    await create(written)
    await add(written, "chat-1", *ITEMS[:2])
    await add(written, "chat-2", ITEMS[0], ITEMS[0])
    assert (await imported(ports, written)).events_imported == 4
    await written.run("DELETE FROM agent_messages WHERE id = 2")
    await add(written, "chat-1", ITEMS[0])
    done = await imported(ports, written)
    assert (done.events_imported, done.events_known) == (1, 3)
    assert done.problem_count == 0
    assert len(await ports.store.get_events("chat-1")) == 3
    assert len(await ports.store.get_events("chat-2")) == 2


async def test_rows_that_are_no_items_are_reported(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    What is no JSON is reported by table and row; what is an unknown item is kept.
    """
    await create(written)
    bad = ["{", "NaN", '{"role": "user", "content": 1e999}', "[" * 2_000]
    await add(written, "chat-1", *bad, "7", {"role": "user"}, ITEMS[0])
    done = await imported(ports, written)
    assert [(p.source, p.number, p.code) for p in done.problems] == [
        ("agent_messages", number, ProblemCode.NOT_JSON) for number in (1, 2, 3, 4)
    ]
    assert "row 1 of 'chat-1'" in done.problems[0].reason
    events = await ports.store.get_events("chat-1")
    assert [event.type for event in events] == [
        "openai.item",
        "openai.item",
        "message_sent",
    ]


async def test_other_names_of_tables_are_found(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    Tables are known by their columns, whatever an application has called them.
    """
    await create(written, sessions="chats", messages='odd "name"')
    await add(written, "chat-1", ITEMS[0], messages='odd "name"')
    assert (await imported(ports, written)).events_imported == 1


async def test_branches_are_sessions_and_turns_are_runs(
    written: WrittenDatabase,
) -> None:
    """
    A branch of ``AdvancedSQLiteSession`` is a session, a turn with its tokens a run.
    """
    await create(written)
    said = [{"role": "user", "content": text} for text in ("one", "two", "other two")]
    await add(written, "chat", *said)
    await written.create(
        "message_structure",
        "id {number}",
        "session_id TEXT",
        "message_id INTEGER",
        "branch_id TEXT",
        "user_turn_number INTEGER",
    )
    places = [(1, "main", 1), (2, "main", 2), (1, "alt", 1), (3, "alt", 2)]
    await written.insert(
        "message_structure",
        *(
            {
                "session_id": "chat",
                "message_id": message,
                "branch_id": branch,
                "user_turn_number": turn,
            }
            for message, branch, turn in places
        ),
    )
    await written.create(
        "turn_usage",
        "id {number}",
        "session_id TEXT",
        "branch_id TEXT",
        "user_turn_number INTEGER",
        "requests INTEGER",
        "input_tokens INTEGER",
        "output_tokens INTEGER",
        "total_tokens INTEGER",
        "input_tokens_details TEXT",
        "output_tokens_details TEXT",
    )
    await written.insert(
        "turn_usage",
        {
            "session_id": "chat",
            "branch_id": "main",
            "user_turn_number": 2,
            "requests": 3,
            "input_tokens": 40,
            "output_tokens": 5,
            "total_tokens": 45,
            "input_tokens_details": '{"cached_tokens": 30}',
            "output_tokens_details": None,
        },
    )
    async with InMemoryPorts() as ports:
        for _ in range(2):
            done = await imported(ports, written)
            assert done.problem_count == 0
        main, alt = sorted(await ports.store.list_sessions(), key=lambda s: s.id)
        assert (main.id, alt.parent_session_id) == ("chat", "chat")
        told = await read_transcript(ports.store, alt.id)
        assert [message.content for message in told.messages] == ["one", "other two"]
        (run,) = await ports.store.list_runs("chat")
        assert (run.total_tokens, run.cache_read_tokens, run.turn_count) == (45, 30, 3)
        (event,) = await ports.store.get_events("chat", run_id=run.id)
        assert event.data["content"] == "two"


async def test_a_database_without_the_tables_is_refused(
    ports: Ports, written: WrittenDatabase
) -> None:
    """
    The error says which columns were looked for.
    """
    await written.create("others", "id {number}")
    with pytest.raises(ValidationError, match="message_data"):
        await imported(ports, written)
