"""
What the rest of the library sees of the SDK's sessions.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agents import Runner

from asm_async import Ports
from asm_async.conventions import Role, shape_warnings
from asm_async.integrations.openai_agents import ITEM
from asm_async.recording import record_run
from asm_async.transcripts import read_transcript
from tests.frameworks.openai_agents.sdk_items import (
    ANSWER,
    CALL,
    CONVERSATION,
    OUTPUT,
    USER,
    UntypedSession,
    weather_agent,
)


async def test_a_session_reads_as_a_conversation(ports: Ports) -> None:
    """
    Messages, calls and their results are those of a transcript, by their own names.
    """
    session = UntypedSession("chat", ports)
    await session.add_items([USER, *CONVERSATION[1:3]])
    await session.add_items([OUTPUT, ANSWER])

    transcript = await read_transcript(ports.store, "chat")

    assert [
        (message.role, message.content or message.tool_output or message.tool_input)
        for message in transcript.messages
    ] == [
        (Role.USER, USER["content"]),
        (Role.ASSISTANT, {"city": "Paris"}),
        (Role.TOOL, "sunny"),
        (Role.ASSISTANT, ANSWER["content"]),
    ]
    assert {m.tool_name for m in transcript.messages} == {None, "look_up"}
    assert transcript.messages[3].message_id == ANSWER["id"]
    events = await ports.store.get_events("chat")
    assert [e.type for e in events].count(ITEM) == 1
    assert not [warning for event in events for warning in shape_warnings(event)]


async def test_what_is_taken_back_is_not_said(ports: Ports) -> None:
    """
    A transcript has no item that was popped, and nothing of what was cleared.
    """
    session = UntypedSession("chat", ports)
    await session.add_items([USER, CALL])
    await session.pop_item()
    told = await read_transcript(ports.store, "chat")
    assert [message.content for message in told.messages] == [USER["content"]]

    await session.clear_session()
    assert (await read_transcript(ports.store, "chat")).messages == ()


async def test_arguments_are_kept_to_the_letter(ports: Ports) -> None:
    """
    Arguments that are no object stay text, and their spelling is kept.
    """
    session = UntypedSession("chat", ports)
    await session.add_items([CALL, {**CALL, "call_id": "call_2", "arguments": "[1"}])

    first, second = await ports.store.get_events("chat")
    assert first.data["tool_input"] == {"city": "Paris"}
    assert first.data["tool_input_text"] == CALL["arguments"]
    assert second.data["tool_input"] == "[1"


async def test_a_run_of_the_sdk_is_recorded_with_its_usage(ports: Ports) -> None:
    """
    Beside a recorder the items are of its run, whose tokens are in the sums.
    """
    session = UntypedSession("chat", ports, agent_id="weather", user_id="ann")
    await session.add_items([USER])
    async with record_run(ports.store, "chat", provider="openai", model="m") as run:
        recorded = UntypedSession("chat", ports, run_id=run.id)
        result = await Runner.run(weather_agent(), "And now?", session=recorded)
        run.add_usage(result.context_wrapper.usage)
        run.set_output({"text": result.final_output})

    stored = await ports.store.get_run(run.id)
    assert stored.status == "completed"
    assert stored.token_usage == {
        "input_tokens": 20,
        "output_tokens": 10,
        "total_tokens": 30,
        "cache_read_tokens": 8,
        "cache_write_tokens": 0,
        "reasoning_tokens": 4,
    }
    events = await ports.store.get_events("chat", run_id=run.id)
    assert len([event for event in events if "original" in event.data]) == 4
    assert len(await session.get_items()) == 5
    summary = await ports.query.get_usage_summary(session_id="chat")
    assert summary.total_tokens == 30
    told = await read_transcript(ports.store, "chat")
    assert [message.role for message in told.messages] == [
        Role.USER,
        Role.USER,
        Role.ASSISTANT,
        Role.TOOL,
        Role.ASSISTANT,
    ]


async def test_lists_and_searches_find_the_session(ports: Ports) -> None:
    """
    The session is in lists of its user, and its events in searches.
    """
    session = UntypedSession("chat", ports, user_id="ann", tenant_id="acme")
    await session.add_items(CONVERSATION)

    (listed,) = await ports.store.list_sessions(user_id="ann", tenant_id="acme")
    assert listed.id == "chat"
    found = await ports.query.search_events(
        session_ids=["chat"], types=["tool_call_started"]
    )
    assert [event.data["original"] for event in found] == [CALL]
    recent = datetime.now(UTC) - timedelta(hours=1)
    assert listed.last_activity_at is not None
    assert listed.last_activity_at > recent
