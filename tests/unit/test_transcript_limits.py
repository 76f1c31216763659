from __future__ import annotations

from typing import Any

import attrs
import pytest

from asm_async import Event, errors
from asm_async.conventions import Role
from asm_async.transcripts import Message, Transcript, transcript_of
from tests.told_sessions import SESSION, Log


@pytest.fixture
def log() -> Log:
    """
    Return a log to fill.
    """
    return Log()


def test_a_transcript_is_of_one_session(log: Log) -> None:
    """
    Events of another session, what is no event, and nothing at all are refused.
    """
    log.user("hello")
    other = attrs.evolve(log.events[0], session_id="ses_other")
    wrong: Any = ["hello"]

    with pytest.raises(
        errors.ValidationError, match=r"events\[1\]: it belongs to session"
    ):
        transcript_of([*log.events, other])
    with pytest.raises(errors.ValidationError, match=r"events\[0\]: expected an Event"):
        transcript_of(wrong)
    with pytest.raises(
        errors.ValidationError, match="session_id: give it, since there is no event"
    ):
        transcript_of([])
    assert transcript_of([], session_id=SESSION) == Transcript(session_id=SESSION)


def test_rules_are_for_types_of_an_application() -> None:
    """
    A rule of a shared type, what is no function, and no message are refused.
    """
    event = Event.new(type="myapp.note", session_id=SESSION)

    def text(_event: Event) -> Any:
        return "hello"

    wrong: Any = {"myapp.note": 1}

    with pytest.raises(errors.ValidationError, match="'message_sent' has a rule"):
        transcript_of([event], rules={"message_sent": text})
    with pytest.raises(errors.ValidationError, match="expected a function"):
        transcript_of([event], rules=wrong)
    with pytest.raises(errors.ValidationError, match=r"rules\['myapp.note'\]: exp"):
        assert transcript_of([event], rules={"myapp.note": text}).messages


def test_a_message_of_a_tool_says_which_call() -> None:
    """
    A call or a result without its id or its tool is refused.
    """
    with pytest.raises(errors.ValidationError, match="tool_call_id: a tool call"):
        Message(role=Role.ASSISTANT, tool_name="find")
    with pytest.raises(errors.ValidationError, match="tool_name: a tool call"):
        Message(role=Role.TOOL, tool_call_id="a")
    with pytest.raises(errors.ValidationError, match="content: expected text or"):
        Message(role=Role.USER, content=["hello"])
    with pytest.raises(errors.ValidationError, match="tool_input: expected an object"):
        Message(role=Role.ASSISTANT, tool_name="a", tool_call_id="a", tool_input=1)


def test_the_latest_messages_are_kept_within_limits(log: Log) -> None:
    """
    Rules stay; a call goes with its result, its neighbours and the text before it.
    """
    log.user("Rules.", role="system")
    log.user("Question?")
    log.agent("Let me look.")
    log.start("a", tool_input={"q": "x" * 80})
    log.start("b")
    log.complete("a", "y" * 80)
    log.complete("b")
    log.agent("Answer.")
    told = transcript_of(log.events)

    assert told.last().messages == told.messages
    assert told.last(max_messages=7).messages == told.messages[:1] + told.messages[2:]
    assert told.last(max_messages=6).messages == told.messages[:1] + told.messages[-1:]
    assert told.last(max_tokens=57).messages == told.messages[:1] + told.messages[2:]
    assert told.last(max_tokens=40).messages == told.messages[:1] + told.messages[-1:]
    cut = told.last(max_messages=6)
    assert (cut.cut_messages, cut.is_over_budget) == (6, False)


def test_the_newest_unit_is_kept_though_it_is_too_long(log: Log) -> None:
    """
    There is always something to tell, and it is said that it is too much.
    """
    log.user("hello")
    log.agent("x" * 100)

    cut = transcript_of(log.events).last(max_tokens=5)

    assert [message.content for message in cut.messages] == ["x" * 100]
    assert (cut.cut_messages, cut.is_over_budget) == (1, True)


def test_an_image_counts_as_tokens_of_its_own(log: Log) -> None:
    """
    What is no text counts as a number of tokens that is known beforehand.
    """
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 100_000}}
    log.user([image, {"type": "text", "text": "four"}])
    log.user("What is it?")
    told = transcript_of(log.events)

    assert told.last(max_tokens=1_604).cut_messages == 0
    assert told.last(max_tokens=1_603).cut_messages == 1


def test_limits_are_at_least_one_and_tokens_are_counted(log: Log) -> None:
    """
    Limits and counts that are none are refused.
    """
    log.user("hello")
    told = transcript_of(log.events)
    many: Any = "many"

    def half(_text: str) -> Any:
        return 0.5

    with pytest.raises(errors.ValidationError, match="max_messages: expected at"):
        told.last(max_messages=0)
    with pytest.raises(errors.ValidationError, match="max_tokens: expected a whole"):
        told.last(max_tokens=many)
    with pytest.raises(errors.ValidationError, match=r"count_tokens\(...\): exp"):
        told.last(max_tokens=1, count_tokens=half)
