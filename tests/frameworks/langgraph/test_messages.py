"""
A thread as a session: what was said, counted and searched.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    messages_from_dict,
)

from asm_async import Ports
from asm_async.conventions import shape_warnings
from asm_async.integrations.langgraph import AsmCheckpointSaver
from asm_async.transcripts import read_transcript
from tests.frameworks.langgraph.chats import Writer, chat_with, say, thread

SESSION = "langgraph/t"
CALL = {
    "id": "call-1",
    "name": "weather",
    "args": {"city": "Oslo"},
    "type": "tool_call",
}
MESSAGES: list[BaseMessage] = [
    SystemMessage("Be brief.", id="1"),
    HumanMessage([{"type": "text", "text": "How is the weather?"}], id="2"),
    AIMessage(
        "",
        id="3",
        tool_calls=[CALL],
        usage_metadata={"input_tokens": 20, "output_tokens": 5, "total_tokens": 25},
        response_metadata={"model_name": "gpt-x", "model_provider": "openai"},
    ),
    ToolMessage("Rain", id="4", tool_call_id="call-1"),
    AIMessage(
        "It rains.",
        id="5",
        usage_metadata={"input_tokens": 30, "output_tokens": 3, "total_tokens": 33},
        response_metadata={"model_name": "gpt-x", "finish_reason": "stop"},
    ),
    ChatMessage("odd", role="narrator", id="6"),
    ToolMessage("No such city", id="7", tool_call_id="call-2", status="error"),
]


async def tell(saver: AsmCheckpointSaver, messages: list[BaseMessage]) -> Writer:
    """
    Put a checkpoint for each message, with those before it.
    """
    writer = Writer(saver, "t")
    for length in range(1, len(messages) + 1):
        await writer.put({"messages": messages[:length]})
    return writer


async def test_a_thread_reads_as_a_conversation(ports: Ports) -> None:
    """
    Its session's transcript has each message once, with its calls and their results.
    """
    await tell(AsmCheckpointSaver(ports), MESSAGES[:5])
    transcript = await read_transcript(ports.store, SESSION)

    assert list(transcript.to_openai()) == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "How is the weather?"}],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call-1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call-1", "content": "Rain"},
        {"role": "assistant", "content": "It rains."},
    ]


async def test_each_message_stands_in_its_event_as_it_was(ports: Ports) -> None:
    """
    The messages are had back equal from the events, each once.
    """
    await tell(AsmCheckpointSaver(ports), MESSAGES)
    events = await ports.store.get_events(SESSION)
    originals = [e.data["original"] for e in events if "original" in e.data]

    assert messages_from_dict(originals) == MESSAGES
    assert [warning for event in events for warning in shape_warnings(event)] == []


async def test_answers_count_in_usage(ports: Ports) -> None:
    """
    The tokens that answers report are in the usage of their session, by model.
    """
    await tell(AsmCheckpointSaver(ports), MESSAGES)
    usage = await ports.query.get_usage_summary(agent_id="langgraph")
    session = await ports.store.get_session(SESSION)

    assert (usage.total_input_tokens, usage.total_output_tokens) == (50, 8)
    assert session.metadata == {"thread_id": "t"}
    found = await ports.query.search_sessions(agent_id="langgraph")
    assert [each.id for each in found] == [SESSION]


async def test_a_put_that_is_repeated_says_nothing_twice(ports: Ports) -> None:
    """
    The same checkpoint again, also by a saver that knows nothing, adds no event.
    """
    saver = AsmCheckpointSaver(ports)
    writer = await tell(saver, MESSAGES[:2])
    before = writer.config
    for again in (saver, AsmCheckpointSaver(ports)):
        writer = Writer(again, "t")
        writer.config, writer.versions = before, {}
        await writer.put({"messages": MESSAGES[:4]}, id="9")

    assert await ports.store.get_latest_sequence(SESSION) == 5


async def test_a_saver_that_knows_nothing_tells_what_is_new(ports: Ports) -> None:
    """
    What the checkpoint before it had is not told again by another process.
    """
    writer = await tell(AsmCheckpointSaver(ports), MESSAGES[:2])
    later = Writer(AsmCheckpointSaver(ports), "t")
    later.config, later.versions = writer.config, writer.versions
    await later.put({"messages": [*MESSAGES[:2], MESSAGES[4]]})
    transcript = await read_transcript(ports.store, SESSION)

    assert [message.message_id for message in transcript.messages] == ["1", "2", "5"]


async def test_a_message_in_two_channels_is_told_once(ports: Ports) -> None:
    """
    A graph that keeps its messages twice does not repeat itself in the log.
    """
    saver = AsmCheckpointSaver(ports)
    await Writer(saver, "t").put({"a": MESSAGES[:2], "b": MESSAGES[1:2]})

    assert await ports.store.get_latest_sequence(SESSION) == 2


async def test_a_user_is_the_sessions_own(ports: Ports) -> None:
    """
    The session is of the user that the config names.
    """
    config = thread("t", user_id="ann")
    await chat_with(AsmCheckpointSaver(ports)).ainvoke(
        {"messages": [("user", "hi")]}, config
    )

    assert (await ports.store.get_session(SESSION)).user_id == "ann"


async def test_recording_can_be_left_out(ports: Ports) -> None:
    """
    Without recording the session has no events, and the thread is as it was.
    """
    saver = AsmCheckpointSaver(ports, record_messages=False)
    chat = chat_with(saver)
    await say(chat, "t", "one")
    state = await say(chat, "t", "two")

    assert len(state["messages"]) == 4
    assert await ports.store.get_events(SESSION) == []


@pytest.mark.parametrize(
    "odd",
    [
        HumanMessage("x", id="o", additional_kwargs={"number": float("nan")}),
        AIMessage([{"type": "text", "text": "a"}, "b"], id="o"),
        HumanMessage("lone \ud800", id="o")
        if False
        else HumanMessage("nul \0", id="o"),
        ToolMessage("x", id="o", tool_call_id="", artifact={1: {2}}),
    ],
)
async def test_no_message_keeps_a_checkpoint_from_being_put(
    ports: Ports, odd: Any
) -> None:
    """
    A message that an event cannot hold is in the checkpoint all the same.
    """
    saver = AsmCheckpointSaver(ports)
    await Writer(saver, "t").put({"messages": [MESSAGES[0], odd, MESSAGES[4]]})
    found = await saver.aget_tuple(thread("t"))
    events = await ports.store.get_events(SESSION)

    assert found is not None
    assert len(found.checkpoint["channel_values"]["messages"]) == 3
    assert {event.data.get("message_id") for event in events} >= {"1", "5"}
