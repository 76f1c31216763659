from __future__ import annotations

import pytest

from asm_async import Event, conventions
from asm_async.conventions import Role
from asm_async.transcripts import (
    APPROVAL_PENDING,
    CALL_DENIED,
    CALL_INTERRUPTED,
    Message,
    transcript_of,
)
from tests.told_sessions import MOMENT, SESSION, Log


@pytest.fixture
def log() -> Log:
    """
    Return a log to fill.
    """
    return Log()


def said(log: Log) -> list[tuple[str, object]]:
    """
    Return who says what: of a call its input, of a result its output.
    """
    told: list[tuple[str, object]] = []
    for message in transcript_of(log.events).messages:
        what = message.content
        if message.is_call:
            what = {message.tool_call_id: message.tool_input}
        elif message.is_result:
            what = {message.tool_call_id: message.tool_output or message.error_message}
        told.append((message.role.value, what))
    return told


def test_a_conversation_is_told_with_its_calls(log: Log) -> None:
    """
    Messages, calls and results come as they were said; all else says nothing.
    """
    log.user("Be brief.", role="system")
    log.add(conventions.run_started, run_id="run_1")
    log.user("Is it raining?", run_id="run_1", metadata={"channel": "web"})
    log.start("c", tool_input={"city": "Oslo"}, run_id="run_1")
    log.complete("c", {"sky": "clear"}, run_id="run_1")
    log.agent("No.", run_id="run_1")

    assert said(log) == [
        ("system", "Be brief."),
        ("user", "Is it raining?"),
        ("assistant", {"c": {"city": "Oslo"}}),
        ("tool", {"c": {"sky": "clear"}}),
        ("assistant", "No."),
    ]
    _, question, *_ = transcript_of(log.events).messages
    assert question == Message(
        role=Role.USER,
        content="Is it raining?",
        event_id="evt_3",
        sequence_number=3,
        run_id="run_1",
        timestamp=MOMENT,
        metadata={"channel": "web"},
    )


def test_pieces_of_a_message_stand_for_it_until_it_comes(log: Log) -> None:
    """
    A stream is one message, partial at first; the whole takes its place.
    """
    log.stream("It ", "is ", run_id="run_1", metadata={"a": 1})
    log.user("Are you there?", run_id="run_2")
    begun = transcript_of(log.events)
    log.stream("dry.", run_id="run_1")
    log.agent("It is dry!", run_id="run_1", metadata={"b": 2})

    whole = begun.with_events(log.events[3:])

    assert [(m.content, m.is_partial) for m in begun.messages] == [
        ("It is ", True),
        ("Are you there?", False),
    ]
    assert [(m.content, m.is_partial) for m in whole.messages] == [
        ("It is dry!", False),
        ("Are you there?", False),
    ]
    assert whole.messages[0].metadata == {"a": 1, "b": 2}
    assert whole.messages[0].event_id == "evt_5"


def test_agents_side_by_side_have_streams_of_their_own(log: Log) -> None:
    """
    Pieces of two runs are not mixed, and an empty whole leaves the pieces.
    """
    log.stream("on", run_id="run_1")
    log.stream("tw", run_id="run_2")
    log.stream("e", run_id="run_1")
    log.stream("o", run_id="run_2")
    log.agent("", run_id="run_2")

    assert said(log) == [("assistant", "one"), ("assistant", "two")]


def test_another_message_does_not_end_a_stream_as_its_own(log: Log) -> None:
    """
    A whole message of another id stands beside the pieces, not in their place.
    """
    log.stream("Let me", message_id="msg_1")
    log.agent("Hello.", message_id="msg_2")
    log.stream("So", message_id="msg_3")
    log.stream("And", message_id="msg_4")

    assert [text for _, text in said(log)] == ["Let me", "Hello.", "So", "And"]


def test_parallel_calls_stand_together(log: Log) -> None:
    """
    Calls that were made together come first, then their results as they came.
    """
    log.start("a")
    log.start("b")
    log.complete("b", 2)
    log.start("c")
    log.complete("a", 1)
    log.complete("c", 3)
    log.start("d")

    assert [what for _, what in said(log)] == [
        {"a": None},
        {"b": None},
        {"c": None},
        {"b": 2},
        {"a": 1},
        {"c": 3},
        {"d": None},
    ]


def test_a_late_result_stands_behind_its_call(log: Log) -> None:
    """
    What comes hours later is told where the call is told.
    """
    log.start("a", run_id="run_1")
    log.user("Are you still there?")
    log.complete("a", "yes", run_id="run_2")

    assert [role for role, _ in said(log)] == ["assistant", "tool", "user"]


def test_an_id_that_is_used_again_is_another_call(log: Log) -> None:
    """
    Some models name each call alike; a result belongs to the call that has none.
    """
    log.start("a", tool_input={"n": 1})
    log.complete("a", "one")
    log.start("a", tool_input={"n": 2})
    log.complete("a", "two")

    assert [what for _, what in said(log)] == [
        {"a": {"n": 1}},
        {"a": "one"},
        {"a": {"n": 2}},
        {"a": "two"},
    ]


def test_a_result_alone_tells_its_call(log: Log) -> None:
    """
    Where no event tells of the start, the call is what the result says of it.
    """
    log.complete("a", "one", tool_input={"n": 1})
    log.tool(conventions.tool_call_failed, "b", error_message="no such city")

    assert said(log) == [
        ("assistant", {"a": {"n": 1}}),
        ("tool", {"a": "one"}),
        ("assistant", {"b": None}),
        ("tool", {"b": "no such city"}),
    ]
    assert transcript_of(log.events).messages[-1].is_error


def test_a_failed_call_that_was_tried_again_has_one_result(log: Log) -> None:
    """
    The last result counts.
    """
    log.start("a")
    log.tool(conventions.tool_call_failed, "a", error_message="busy")
    log.complete("a", "done")

    assert said(log) == [("assistant", {"a": None}), ("tool", {"a": "done"})]


def test_an_approval_has_a_notice_until_there_is_a_result(log: Log) -> None:
    """
    Asked, granted and done, or asked, refused: at each moment there is one answer.
    """
    log.tool(conventions.tool_approval_requested, "a", tool_input={"n": 1})
    log.tool(conventions.tool_approval_requested, "b")
    waiting = said(log)
    log.tool(conventions.tool_approval_granted, "a")
    granted = said(log)
    log.start("a", tool_input={"n": 1})
    log.complete("a", "done")
    log.tool(conventions.tool_approval_denied, "b", reason="Too dear.")
    decided = said(log)
    log.complete("b", "done all the same")

    calls = [("assistant", {"a": {"n": 1}}), ("assistant", {"b": None})]
    pending = ("tool", {"b": APPROVAL_PENDING})
    assert waiting == [*calls, ("tool", {"a": APPROVAL_PENDING}), pending]
    assert granted == [*calls, pending]
    assert decided == [
        *calls,
        ("tool", {"b": f"{CALL_DENIED} Too dear."}),
        ("tool", {"a": "done"}),
    ]
    assert said(log)[2] == ("tool", {"b": "done all the same"})


def test_what_a_refused_model_does_next_is_another_message(log: Log) -> None:
    """
    A call behind a refusal was not made beside it.
    """
    log.tool(conventions.tool_approval_denied, "a")
    log.start("b")

    told = transcript_of(log.events)

    assert [message.tool_call_id for message in told.messages] == ["a", "a", "b"]
    assert told.messages[1].is_error
    assert told.messages[1].is_notice


def test_what_is_retracted_is_not_said(log: Log) -> None:
    """
    Also where the transcript was made before the retraction.
    """
    log.user("one")
    log.start("a")
    log.complete("a")
    log.user("two")
    begun = transcript_of(log.events)
    log.retract((2, 3))
    log.user("three")
    log.retract((2, 3), (6, 6))
    log.user("four")

    told = begun.with_events(log.events[4:])

    assert [message.content for message in told.messages] == ["one", "two", "four"]
    assert told.last_sequence == 8
    assert told.hidden == ((2, 3), (6, 6))
    assert told == transcript_of(log.events)


def test_events_of_an_application_are_told_by_its_rules(log: Log) -> None:
    """
    A rule makes a message of an event of a dotted type, also a call and its result.
    """

    def note(event: Event) -> Message | None:
        text = event.data.get("text")
        return Message(role=Role.USER, content=text) if text else None

    def call(_event: Event) -> Message:
        return Message(role=Role.ASSISTANT, tool_name="ask", tool_call_id="x")

    def answer(_event: Event) -> Message:
        return Message(role=Role.TOOL, tool_name="ask", tool_call_id="x", tool_output=1)

    types = ("myapp.call", "myapp.note", "myapp.answer", "myapp.note", "other.note")
    for number, name in enumerate(types, start=1):
        data = {"text": f"note {number}"} if number == 2 else {}
        # The last note says nothing.
        event = Event.new(type=name, session_id=SESSION, data=data)
        log.events.append(event.with_given(number))

    told = transcript_of(
        log.events,
        rules={"myapp.note": note, "myapp.call": call, "myapp.answer": answer},
    )

    assert [(m.role, m.sequence_number) for m in told.messages] == [
        (Role.ASSISTANT, 1),
        (Role.TOOL, 3),
        (Role.USER, 2),
    ]


def test_data_of_another_layout_is_told_as_far_as_it_goes() -> None:
    """
    Nothing that a store takes breaks a transcript.
    """
    shapes: list[tuple[str, dict[str, object]]] = [
        ("message_sent", {}),
        ("message_sent", {"content": {"a": 1}, "role": "ASSISTANT"}),
        ("message_received", {"content": ["x"], "role": 7, "provider_data": 1}),
        ("message_streamed", {"content": 5}),
        ("tool_call_started", {"tool_input": [1]}),
        ("tool_call_completed", {"tool_output": None}),
        ("tool_approval_granted", {"tool_name": "nobody asked for"}),
        ("tool_call_failed", {"tool_name": "find"}),
    ]
    events = [
        Event.new(type=kind, session_id=SESSION, id=f"e{number}", data=data)
        for number, (kind, data) in enumerate(shapes)
    ]

    told = transcript_of(events).to_openai()

    assert [message["content"] for message in told] == [
        '{"a":1}',
        '["x"]',
        "5",
        "null",
        None,
        "Error: The tool failed.",
    ]
    assert told[2]["tool_calls"][0]["function"] == {
        "name": "unknown",
        "arguments": "[1]",
    }


def test_an_open_call_is_closed_where_a_model_is_told(log: Log) -> None:
    """
    After a crash a call has no result, and what a model is told says so.
    """
    log.user("Look it up.")
    log.start("a")
    told = transcript_of(log.events)

    assert [message.is_result for message in told.messages] == [False, False]
    assert told.to_openai()[-1]["content"] == CALL_INTERRUPTED
    assert told.to_responses()[-1]["output"] == CALL_INTERRUPTED
    (result,) = told.to_anthropic()[-1]["content"]
    assert (result["content"], result["is_error"]) == (CALL_INTERRUPTED, True)
