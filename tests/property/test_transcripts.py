"""
However a session's events are divided and whatever they are, its transcript holds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from asm_async import Event, conventions
from asm_async.conventions import Role
from asm_async.transcripts import (
    CALL_INTERRUPTED,
    Message,
    Transcript,
    events_from_anthropic,
    events_from_openai,
    events_from_responses,
    transcript_of,
)
from tests.effort import examples
from tests.told_sessions import (
    MOMENT,
    SESSION,
    Log,
    check_anthropic,
    check_chat_completions,
)

many_examples = settings(max_examples=examples(60))

RUNS = st.sampled_from([None, "run_1", "run_2"])
CALL_IDS = st.sampled_from(["call_1", "call_2", "call_3"])
MESSAGE_IDS = st.sampled_from([None, None, "msg_1", "msg_2"])
WORDS = st.sampled_from(["", "yes", "no ", "maybe"])
# What may happen to a call, and what else it says.
CALL_EVENTS: list[tuple[Callable[..., Event], str]] = [
    (conventions.tool_approval_requested, ""),
    (conventions.tool_approval_granted, ""),
    (conventions.tool_approval_denied, "reason"),
    (conventions.tool_call_started, ""),
    (conventions.tool_call_started, "message_id"),
    (conventions.tool_call_completed, "tool_output"),
    (conventions.tool_call_completed, "tool_output"),
    (conventions.tool_call_failed, "error_message"),
]
CALL_BUILDERS = st.sampled_from(CALL_EVENTS)


@st.composite
def sessions(draw: st.DrawFn) -> list[Event]:
    """
    Draw the events of a session, in order.
    """
    log = Log()
    hidden: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(0, 25))):
        run_id = draw(RUNS)
        match draw(st.integers(0, 9)):
            case 0:
                role = draw(st.sampled_from(["system", "user", "developer"]))
                log.user(draw(WORDS), role=role)
            case 1 | 2:
                log.agent(draw(WORDS), run_id=run_id, message_id=draw(MESSAGE_IDS))
            case 3:
                deltas = draw(st.lists(WORDS, max_size=3))
                log.stream(*deltas, run_id=run_id, message_id=draw(MESSAGE_IDS))
            case 4 if log.events:
                first = draw(st.integers(1, len(log.events)))
                last = draw(st.integers(first, len(log.events)))
                hidden.append((first, last))
                log.retract(*hidden)
            case 5:
                log.add(conventions.run_started, run_id=run_id)
            case _:
                build, member = draw(CALL_BUILDERS)
                own: dict[str, Any] = {member: draw(WORDS)} if member else {}
                log.tool(build, draw(CALL_IDS), run_id=run_id, **own)
    return log.events


def told(events: list[Event]) -> Transcript:
    """
    Return the transcript of the events.
    """
    return transcript_of(events, session_id=SESSION)


@many_examples
@given(events=sessions())
def test_every_split_makes_the_same_transcript(events: list[Event]) -> None:
    """
    Told in two steps, divided anywhere, a session's transcript is that of one step.
    """
    whole = told(events)
    for place in range(len(events) + 1):
        begun = told(events[:place])
        assert begun.messages is begun.messages

        continued = begun.with_events(events[place:])

        assert continued == whole
        assert continued.messages == whole.messages


@many_examples
@given(data=st.data(), events=sessions())
def test_order_and_repetition_make_no_difference(
    data: st.DataObject, events: list[Event]
) -> None:
    """
    Events that come again, or late, are put where their number says.
    """
    mixed = data.draw(st.permutations(events + events[:5]))

    assert told(mixed).messages == told(events).messages


@many_examples
@given(events=sessions())
def test_what_is_retracted_is_as_if_it_had_never_been_said(events: list[Event]) -> None:
    """
    The messages are those of the events that no retraction hides.
    """
    whole = told(events)
    visible = [
        event
        for event in events
        if not any(a <= event.sequence_number <= b for a, b in whole.hidden)
        and event.type != "asm.events_retracted"
    ]

    assert whole.messages == told(visible).messages


@many_examples
@given(events=sessions())
def test_what_providers_are_told_is_what_they_take(events: list[Event]) -> None:
    """
    Each call has one result, right behind it, and calls without one have a marked one.
    """
    whole = told(events)
    results = [message for message in whole.messages if message.is_result]
    calls = [message for message in whole.messages if message.is_call]

    openai, anthropic = whole.to_openai(), whole.to_anthropic()

    check_chat_completions(openai)
    check_anthropic(anthropic)
    marked = [each for each in openai if each["content"] == CALL_INTERRUPTED]
    assert len(marked) == len(calls) - len(results)
    outputs = [
        i for i in whole.to_responses() if i.get("type") == "function_call_output"
    ]
    assert len(outputs) == len(calls)


@many_examples
@given(
    events=sessions(),
    max_messages=st.none() | st.integers(1, 12),
    max_tokens=st.none() | st.integers(1, 40),
)
def test_a_cut_parts_nothing_that_belongs_together(
    events: list[Event], max_messages: int | None, max_tokens: int | None
) -> None:
    """
    What is kept is the rules and the latest messages, within the limits, or one unit.
    """
    whole = told(events)

    last = whole.last(
        max_messages=max_messages, max_tokens=max_tokens, count_tokens=len
    )

    rules = [m for m in whole.messages if m.role in {Role.SYSTEM, Role.DEVELOPER}]
    leading = len(whole.messages)
    for place, message in enumerate(whole.messages):
        if message not in rules:
            leading = place
            break
    kept = len(last.messages) - leading
    assert last.messages[:leading] == whole.messages[:leading]
    assert kept == 0 or last.messages[leading:] == whole.messages[-kept:]
    assert len(last.messages) + last.cut_messages == len(whole.messages)
    assert kept > 0 or len(whole.messages) == leading
    full = whole.to_openai()
    shown = last.to_openai()
    if max_messages is not None and len(last.messages) > max_messages:
        assert last.is_over_budget
    if kept:
        assert full[-len(shown) + leading :] == shown[leading:]
    check_chat_completions(shown)
    check_anthropic(last.to_anthropic())


TEXTS = st.text(max_size=8)
IMAGE: dict[str, Any] = {
    "type": "image_url",
    "image_url": {"url": "https://example.org/a.png"},
}


def text_part(text: str) -> dict[str, Any]:
    """
    Return a part that is a text.
    """
    return {"type": "text", "text": text}


PARTS = st.lists(
    st.one_of(st.builds(text_part, TEXTS), st.just(IMAGE)), min_size=1, max_size=3
)
ARGUMENTS = st.one_of(
    st.sampled_from(
        ["", "{}", "{ }", '{"a": 1}', '{"a":1.0}', "[1]", "not JSON", "NaN"]
    ),
    TEXTS,
)


@st.composite
def chats(draw: st.DrawFn) -> list[dict[str, Any]]:
    """
    Draw messages of Chat Completions.
    """
    messages: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 8))):
        role = draw(st.sampled_from(["system", "developer", "user", "assistant"]))
        content: Any = draw(st.one_of(TEXTS, PARTS))
        if role != "assistant":
            messages.append({"role": role, "content": content})
            continue
        count = draw(st.integers(0, 3))
        calls = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": "look_up", "arguments": draw(ARGUMENTS)},
            }
            for index in range(count)
        ]
        said: Any = draw(st.none() | TEXTS) if calls else content
        messages.append(
            {
                "role": "assistant",
                "content": said,
                **draw(st.sampled_from([{}, {"refusal": None}, {"logprobs": [0.0]}])),
                **({"tool_calls": calls} if calls else {}),
            }
        )
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)}
            for call in draw(st.permutations(calls))
        ]
    return messages


@many_examples
@given(messages=chats())
def test_chat_completions_come_back_equal(messages: list[dict[str, Any]]) -> None:
    """
    Messages become events and messages again, to the letter of the arguments.
    """
    events = events_from_openai(
        messages, session_id=SESSION, id_prefix="evt_", timestamp=MOMENT
    )

    again = told(events).to_openai()

    assert again == messages
    assert again.left_out == ()
    assert events == events_from_openai(
        messages, session_id=SESSION, id_prefix="evt_", timestamp=MOMENT
    )


def essence(message: Message) -> list[Any]:
    """
    Return what a message says, in whatever form it came.
    """
    return [message.role, message.tool_call_id, message.tool_name, message.tool_output]


@many_examples
@given(messages=chats())
def test_other_forms_come_back_equal(messages: list[dict[str, Any]]) -> None:
    """
    What is told in the form of Responses or of Anthropic becomes the same again.
    """
    whole = told(events_from_openai(messages, session_id=SESSION))
    items, blocks = whole.to_responses(), whole.to_anthropic()

    from_items = told(events_from_responses(items, session_id=SESSION))
    from_blocks = told(
        events_from_anthropic(blocks, session_id=SESSION, system=blocks.system)
    )

    assert from_items.to_responses() == items
    assert from_blocks.to_anthropic() == blocks
    assert from_blocks.to_anthropic().system == blocks.system
    calls = [essence(m) for m in whole.messages if m.role is Role.TOOL or m.is_call]
    for other in (from_items, from_blocks):
        assert calls == [
            essence(m) for m in other.messages if m.role is Role.TOOL or m.is_call
        ]
