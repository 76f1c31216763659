from __future__ import annotations

from typing import Any

import pytest

from asm_async import conventions, errors
from asm_async.transcripts import (
    Message,
    Role,
    events_from_anthropic,
    events_from_openai,
    events_from_responses,
    transcript_of,
)
from tests.told_sessions import SESSION, Log

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE_URL = "data:image/png;base64,iVBO"
IMAGES: dict[str, dict[str, Any]] = {
    "openai": {"type": "image_url", "image_url": {"url": IMAGE_URL}},
    "responses": {"type": "input_image", "image_url": IMAGE_URL},
    "anthropic": {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
    },
}


@pytest.fixture
def log() -> Log:
    """
    Return a log to fill.
    """
    return Log()


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_one_in_each_form(name: str, log: Log) -> None:
    """
    Whichever provider's image it is, each is told its own.
    """
    log.user([IMAGES[name]])
    told = transcript_of(log.events)
    forms = {
        "openai": told.to_openai(),
        "responses": told.to_responses(),
        "anthropic": told.to_anthropic(),
    }

    assert {form: [m["content"] for m in found] for form, found in forms.items()} == {
        form: [[image]] for form, image in IMAGES.items()
    }
    assert [found.left_out for found in forms.values()] == [(), (), ()]


def test_how_closely_to_look_at_an_image_is_kept_or_said(log: Log) -> None:
    """
    OpenAI's two forms have a place for it, Anthropic's has none.
    """
    chat = {"type": "image_url", "image_url": {"url": IMAGE_URL, "detail": "high"}}
    item = {"type": "input_image", "image_url": IMAGE_URL, "detail": "low"}
    log.user([chat, item])
    told = transcript_of(log.events)

    assert told.to_responses()[0]["content"] == [{**item, "detail": "high"}, item]
    low = {"url": IMAGE_URL, "detail": "low"}
    assert told.to_openai()[0]["content"] == [chat, {**chat, "image_url": low}]
    assert told.to_anthropic()[0]["content"] == [IMAGES["anthropic"]] * 2
    assert (told.to_openai().left_out, told.to_responses().left_out) == ((), ())
    complaint = "messages[0]: 'detail' of a part has no place here"
    assert told.to_anthropic().left_out == (complaint, complaint)


def test_an_error_of_several_parts_is_one_again() -> None:
    """
    What a failed tool told Anthropic in blocks comes back in blocks.
    """
    blocks = [{"type": "text", "text": "no"}, {"type": "text", "text": "way"}]
    result = {
        "type": "tool_result",
        "tool_use_id": "a",
        "content": blocks,
        "is_error": True,
    }
    call: dict[str, Any] = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    messages = [
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    told = transcript_of(events_from_anthropic(messages, session_id=SESSION))

    assert told.to_anthropic() == messages
    assert told.messages[1].error_message == "no way"


def test_what_has_no_place_in_a_form_is_said(log: Log) -> None:
    """
    Parts, members and places that a form does not have are named, with the message.
    """
    log.user("hello")
    log.user("Be brief.", role="system")
    log.agent(
        [{"type": "thinking", "thinking": "?", "signature": "!"}],
        provider_data={"openai": {"refusal": None, "logprobs": [1]}},
    )
    log.user(
        [
            {"type": "file", "file": {"file_id": "f"}},
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
            {"type": "somebody_elses", "x": 1},
        ]
    )
    log.start("a", tool_input="not JSON")
    told = transcript_of(log.events)

    openai, anthropic = told.to_openai(), told.to_anthropic()

    assert openai.left_out == (
        "messages[2]: a part of type 'thinking' has no place here",
    )
    assert anthropic.left_out == (
        "messages[1]: its place: the system speaks before all others",
        "messages[2]: 'logprobs' of openai has no place here",
        "messages[3]: a part of type 'file' has no place here",
        "messages[4]: that its input is no JSON object, but text",
    )
    assert told.to_responses().left_out == (
        "messages[2]: 'logprobs' of openai has no place here",
        "messages[2]: a part of type 'thinking' has no place here",
        "messages[3]: a part of type 'file' has no place here",
        "messages[3]: 'cache_control' of a part has no place here",
    )
    assert anthropic.system == "Be brief."
    assert openai[3]["content"][-1] == {"type": "somebody_elses", "x": 1}


def test_failed_calls_are_errors_in_each_form(log: Log) -> None:
    """
    Anthropic has a mark for it; elsewhere the text says so, or what the tool told.
    """
    log.start("a")
    log.start("b")
    log.tool(conventions.tool_call_failed, "a", error_message="no such city")
    log.tool(
        conventions.tool_call_failed, "b", error_message="x", tool_output={"code": 7}
    )
    told = transcript_of(log.events)

    assert [m["content"] for m in told.to_openai()[1:]] == [
        "Error: no such city",
        '{"code":7}',
    ]
    blocks = told.to_anthropic()[1]["content"]
    assert [(b["content"], b["is_error"]) for b in blocks] == [
        ("no such city", True),
        ('{"code":7}', True),
    ]
    again = events_from_anthropic(told.to_anthropic(), session_id=SESSION)
    assert transcript_of(again).to_anthropic() == told.to_anthropic()


def test_text_and_calls_of_one_message_stay_one(log: Log) -> None:
    """
    Calls directly behind a text belong to it, unless their messages have other ids.
    """
    log.agent("Let me look.", message_id="msg_1")
    log.start("a")
    log.complete("a")
    log.agent("Well.", message_id="msg_2")
    log.start("b", message_id="msg_3")
    log.complete("b")

    told = transcript_of(log.events).to_openai()

    assert [(m["content"], len(m.get("tool_calls", []))) for m in told] == [
        ("Let me look.", 1),
        ("found", 0),
        ("Well.", 0),
        (None, 1),
        ("found", 0),
    ]


def test_what_is_made_is_the_callers_own(log: Log) -> None:
    """
    Changing what a model is told changes no transcript and no event.
    """
    log.user([{"type": "text", "text": "hello"}])
    log.start("a", tool_input={"n": 1}, provider_data={"openai": {"x": {"y": 1}}})
    log.complete("a", [{"type": "text", "text": "hello"}])
    told = transcript_of(log.events)

    for form in (told.to_openai, told.to_responses, told.to_anthropic):
        expected, spoilt = form(), form()
        for message in spoilt:
            for value in message.values():
                if isinstance(value, list | dict):
                    value.clear()
        assert form() == expected


def test_a_custom_tool_of_openai_comes_back() -> None:
    """
    A call whose input is text by intention is one again.
    """
    custom = {"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}
    messages = [
        {"role": "assistant", "content": None, "tool_calls": [custom]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]

    assert transcript_of(
        events_from_openai(messages, session_id=SESSION)
    ).to_openai() == list(messages)


def test_items_of_responses_come_back() -> None:
    """
    Reasoning and what else there is among the items comes back where it was.
    """
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "hello"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hi.", "annotations": []}],
        },
        {"type": "reasoning", "id": "rs_2", "summary": []},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{ }"},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    ]
    told = transcript_of(events_from_responses(items, session_id=SESSION))

    assert told.to_responses() == items
    assert told.to_responses().left_out == ()
    assert told.last(max_messages=3).messages == told.messages[-1:]
    assert any("'encrypted_content'" in text for text in told.to_openai().left_out)
    assert [message["role"] for message in told.to_openai()] == [
        "user",
        "assistant",
        "assistant",
        "tool",
    ]


def test_objects_of_an_sdk_are_taken() -> None:
    """
    What a client library returns goes in as it is, with what was set in it.
    """

    class Dumped:
        def model_dump(self, *, mode: str, exclude_unset: bool) -> dict[str, Any]:
            assert (mode, exclude_unset) == ("json", True)
            return {"role": "assistant", "content": "Hi.", "refusal": None}

    events = events_from_openai([Dumped()], session_id=SESSION, run_id="run_1")

    assert transcript_of(events).to_openai() == [
        {"role": "assistant", "content": "Hi.", "refusal": None}
    ]
    assert events[0].run_id == "run_1"


WRONG: list[tuple[Any, str]] = [
    ("hello", "messages: expected a list, got a str"),
    ([1], "messages[0]: expected an object, got an int"),
    ([{"role": "function"}], "messages[0]['role']: 'function' is not one of system"),
    ([{"role": "user"}], "messages[0]['content']: expected text or a list of parts"),
    ([{"role": "user", "content": [{}]}], "[0]['content'][0]['type']: expected text"),
    ([{"role": "tool", "content": ""}], "['tool_call_id']: expected text, got a None"),
    (
        [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}],
        "messages[0]['tool_calls'][0]['function']: expected an object",
    ),
    ([{"role": "user", "content": "x", 7: 1}], "messages[0]: data['provider_data']"),
]


@pytest.mark.parametrize(("messages", "complaint"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_message_is_refused_by_its_place(
    messages: Any, complaint: str
) -> None:
    """
    The error names the message and the member, and nothing is returned.
    """
    with pytest.raises(errors.ValidationError) as error:
        events_from_openai(messages, session_id=SESSION)

    assert complaint in str(error.value)


def test_anthropic_and_responses_refuse_by_place_too() -> None:
    """
    The same holds for the other forms, and for options.
    """
    with pytest.raises(
        errors.ValidationError, match="'system' is not one of user, ass"
    ):
        events_from_anthropic([{"role": "system"}], session_id="s")
    with pytest.raises(errors.ValidationError, match=r"items\[0\]\['role'\]"):
        events_from_responses([{"role": "tool"}], session_id="s")
    with pytest.raises(errors.ValidationError, match="id_prefix"):
        events_from_openai([], session_id="s", id_prefix="")


def test_messages_made_by_hand_are_told() -> None:
    """
    A message without an event behind it is told like any other.
    """
    told = transcript_of(
        [conventions.turn_completed(session_id=SESSION)],
        rules={"myapp.x": lambda _: Message(role=Role.USER, content="x")},
    )

    assert told.messages == ()
    assert told.to_openai() == []
