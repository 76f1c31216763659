"""
How single events are displayed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from asm_async import Event, EventType, conventions
from asm_async.console.entries import EntryMaker
from asm_async.console.entry_answers import Entry
from asm_async.testing.factories import NOON, make_event
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.json_values import EncodedJSON, encode_json
from asm_async.values.retraction import RETRACTIONS
from asm_async.values.token_price import TokenPrice


def entry_of(build: Callable[..., Event], **members: Any) -> Entry:
    """
    Return the entry of an event that is built by the conventions.
    """
    event = build(session_id="ses_1", id="evt_1", timestamp=NOON, **members)
    return EntryMaker().entry(event.with_given(7))


def whole(text: str, kind: str = "text") -> dict[str, Any]:
    """
    Return a text of which nothing is left out.
    """
    return {"text": text, "format": kind, "more_bytes": 0}


def test_an_entry_says_which_event_it_is() -> None:
    """
    Every entry has the event's number, id, type, time and place.
    """
    event = make_event(
        type="myapp.noted",
        run_id="run_1",
        provider="openai",
        correlation_id="c",
        data={"a": 1},
    )

    assert EntryMaker().entry(event.with_given(3)) == {
        "sequence": 3,
        "id": "evt_1",
        "type": "myapp.noted",
        "kind": "other",
        "time": "2026-01-02T12:00:00.000000+00:00",
        "run_id": "run_1",
        "provider": "openai",
        "correlation_id": "c",
        "is_retracted": False,
        "bytes": 7,
        "is_cut": False,
        "data": whole('{\n  "a": 1\n}', "json"),
    }


def test_what_is_said_is_a_message_with_its_role() -> None:
    """
    A sent message is the user's and a received one the assistant's, unless it says so.
    """
    user = entry_of(conventions.message_sent, content="Hi")
    system = entry_of(conventions.message_sent, content="Obey.", role="system")
    agent = entry_of(
        conventions.message_received, content=None, model="m", stop_reason="stop"
    )

    assert (user.get("role"), user.get("parts")) == (
        "user",
        [{"type": "text", "text": whole("Hi")}],
    )
    assert system.get("role") == "system"
    assert (agent.get("role"), agent.get("parts")) == ("assistant", [])
    assert (agent.get("model"), agent.get("stop_reason")) == ("m", "stop")


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "text", "text": "a"}, ("text", "a")),
        ({"type": "input_text", "text": "a"}, ("text", "a")),
        ({"type": "output_text", "text": "a"}, ("text", "a")),
        ({"type": "refusal", "refusal": "no"}, ("refusal", "no")),
        ({"type": "thinking", "thinking": "hm", "signature": "x"}, ("reasoning", "hm")),
        (
            {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}, 1]},
            ("reasoning", "a\n\nb"),
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_texts_of_all_providers_are_parts(
    part: dict[str, Any], expected: tuple[str, str]
) -> None:
    """
    Texts, refusals and thoughts are shown as text, whatever the provider calls them.
    """
    (shown,) = entry_of(conventions.message_received, content=[part]).get("parts", [])

    assert shown["type"] != "image"
    assert (shown["type"], shown["text"]["text"]) == expected


PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.mark.parametrize(
    ("part", "data_url", "url"),
    [
        ({"type": "image_url", "image_url": {"url": PIXEL}}, PIXEL, None),
        ({"type": "input_image", "image_url": PIXEL}, PIXEL, None),
        (
            {
                "type": "image",
                "source": {
                    "type": "base64",
                    "media_type": "image/png",
                    "data": "iVBORw0KGgo=",
                },
            },
            PIXEL,
            None,
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
            None,
            "https://a.example/b.png",
        ),
        ({"type": "image_url", "image_url": "data:image/svg+xml,<svg/>"}, None, None),
        ({"type": "image_url", "image_url": "data:text/html;base64,PGI+"}, None, None),
    ],
    ids=["chat", "responses", "anthropic", "remote", "svg", "html"],
)
def test_images_are_shown_if_they_are_in_the_message(
    part: dict[str, Any], data_url: str | None, url: str | None
) -> None:
    """
    An image of a known kind is shown from within; what is elsewhere is named alone.
    """
    (shown,) = entry_of(conventions.message_sent, content=[part]).get("parts", [])

    assert shown["type"] == "image"
    assert (shown["data_url"], shown["url"]) == (data_url, url)


ODD: list[tuple[Any, str]] = [
    ([{"type": "input_audio", "input_audio": {}}], "input_audio"),
    ([{"no": "type"}], "part"),
    ([[1]], "part"),
    ({"an": "object"}, "content"),
    (5, "content"),
]


@pytest.mark.parametrize(("content", "label"), ODD, ids=str)
def test_what_is_no_known_part_is_shown_as_data(content: Any, label: str) -> None:
    """
    No part is left out for its shape.
    """
    event = make_event(type=EventType.MESSAGE_SENT, data={"content": content})
    (shown,) = EntryMaker().entry(event).get("parts", [])

    assert shown["type"] == "data"
    assert shown["label"] == label


def test_a_message_of_another_shape_is_shown_with_its_data() -> None:
    """
    A message whose text lies elsewhere is not shown as empty.
    """
    event = make_event(type=EventType.MESSAGE_SENT, data={"text": "here"})

    entry = EntryMaker().entry(event)

    assert entry.get("parts") == []
    assert entry.get("data") == whole('{\n  "text": "here"\n}', "json")


def test_a_tool_call_and_its_result_have_one_call_id() -> None:
    """
    Arguments, result, duration and failure of a call are shown under its id.
    """
    tool: dict[str, Any] = {"tool_call_id": "call_1", "tool_name": "search"}
    call = entry_of(conventions.tool_call_started, tool_input={"q": 1}, **tool)
    text = entry_of(conventions.tool_call_started, tool_input="{broken", **tool)
    result = entry_of(
        conventions.tool_call_completed, tool_output=None, duration_ms=12.5, **tool
    )
    failure = entry_of(
        conventions.tool_call_failed, error_message="no", error_code="busy", **tool
    )

    assert call.get("tool") == {
        "call_id": "call_1",
        "name": "search",
        "input": whole('{\n  "q": 1\n}', "json"),
        "output": None,
        "duration_ms": None,
        "is_error": False,
    }
    assert text["kind"] == "tool_call"
    assert text.get("tool", {}).get("input") == whole("{broken")
    assert result.get("tool", {}).get("output") == whole("null", "json")
    assert result.get("tool", {}).get("duration_ms") == 12.5
    assert failure.get("tool", {}).get("is_error") is True
    assert failure.get("error") == {
        "message": whole("no"),
        "code": "busy",
        "details": None,
    }


def test_a_result_of_parts_is_shown_in_parts() -> None:
    """
    A tool that returns texts and images shows these.
    """
    output = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": PIXEL}]
    entry = entry_of(
        conventions.tool_call_completed,
        tool_call_id="c",
        tool_name="t",
        tool_output=output,
    )

    assert [part["type"] for part in entry.get("parts", [])] == ["text", "image"]
    assert entry.get("tool", {}).get("output") is None


@pytest.mark.parametrize(
    ("build", "state"),
    [
        (conventions.tool_approval_requested, "requested"),
        (conventions.tool_approval_granted, "granted"),
        (conventions.tool_approval_denied, "denied"),
    ],
    ids=["requested", "granted", "denied"],
)
def test_approvals_say_how_they_stand(build: Callable[..., Event], state: str) -> None:
    """
    A call that has to be allowed says whether it was.
    """
    entry = entry_of(build, tool_call_id="c", tool_name="t")

    assert entry["kind"] == "approval"
    assert entry.get("approval", {}).get("state") == state


def test_the_end_of_a_run_says_how_it_ended_and_what_it_cost() -> None:
    """
    Output, tokens, cost and errors stand with the end of a run.
    """
    done = entry_of(
        conventions.run_completed,
        output={"a": 1},
        token_usage={"input_tokens": 3, "output_tokens": 2, "cache_read_tokens": 1},
        cost_usd=0.25,
        stop_reason="stop",
    )
    broken = entry_of(
        conventions.run_failed, error_message="no", details={"status": 500}
    )
    late = entry_of(conventions.run_timeout, reason="too slow")

    assert done.get("label") == "completed"
    assert done.get("tokens") == {
        "input": 3,
        "output": 2,
        "total": 5,
        "cache_read": 1,
        "cache_write": 0,
        "reasoning": 0,
    }
    assert (done.get("cost_usd"), done.get("cost_is_computed")) == (0.25, False)
    assert broken.get("error", {}).get("details") == whole(
        '{\n  "status": 500\n}', "json"
    )
    assert (late.get("label"), late.get("reason")) == ("timeout", whole("too slow"))


def test_tokens_are_priced_by_the_model_that_is_named_or_the_runs() -> None:
    """
    Usage has a cost where the price list knows the model.
    """
    event = conventions.token_usage_updated(
        session_id="ses_1", run_id="run_1", input_tokens=1_000_000, output_tokens=0
    )
    price = TokenPrice(input_usd_per_million=2, output_usd_per_million=10)

    def prices(provider: str | None, model: str | None) -> TokenPrice | None:
        return price if (provider, model) == ("p", "m") else None

    known = EntryMaker(prices=prices, models={"run_1": ("p", "m")}).entry(event)
    unknown = EntryMaker(prices=prices).entry(event)

    assert (known.get("cost_usd"), known.get("cost_is_computed")) == (2.0, True)
    assert known["kind"] == unknown["kind"] == "usage"
    assert "cost_usd" not in unknown


@pytest.mark.parametrize("count", [True, -1, 2**60, "3", None], ids=str)
def test_counts_that_are_none_are_not_shown(count: Any) -> None:
    """
    The data of an event may say anything of tokens; what is no count is left out.
    """
    data = {"input_tokens": count, "output_tokens": count}
    event = make_event(type=EventType.TOKEN_USAGE_UPDATED, data=data)

    assert "tokens" not in EntryMaker().entry(event)


def test_retracted_events_are_marked() -> None:
    """
    What a retraction hides is shown as retracted, and the retraction says what it hid.
    """
    maker = EntryMaker(hidden=((2, 3), (5, 5)))
    marked = [
        number
        for number in range(1, 7)
        if maker.entry(make_event().with_given(number))["is_retracted"]
    ]
    retraction = make_event(
        type=EVENTS_RETRACTED,
        correlation_id=RETRACTIONS,
        data={"first": 5, "last": 5, "hidden": [[2, 3], [5, 5]]},
    )

    assert marked == [2, 3, 5]
    entry = maker.entry(retraction)
    assert entry["kind"] == "retraction"
    assert entry.get("retracted") == {"first": 5, "last": 5}


def test_long_texts_are_cut_and_say_by_how_many_bytes() -> None:
    """
    A list shows the beginning of a long text, and how much more there is.
    """
    event = make_event(type=EventType.MESSAGE_SENT, data={"content": "é" * 5_000})

    cut = EntryMaker(max_length=100).entry(event)
    uncut = EntryMaker(max_length=None).entry(event)

    assert cut["is_cut"]
    assert cut.get("parts") == [
        {
            "type": "text",
            "text": {"text": "é" * 100, "format": "text", "more_bytes": 9_800},
        }
    ]
    assert not uncut["is_cut"]
    assert uncut.get("parts") == [{"type": "text", "text": whole("é" * 5_000)}]


def test_lone_surrogates_and_endless_integers_are_shown() -> None:
    """
    Whatever a store can hold can be displayed.
    """
    data = {"a": "\ud800" * 9_000, "b": 10**4_000, "duration_ms": 10**4_000}
    event = make_event(type="myapp.odd", data=data)

    assert EntryMaker().entry(event)["is_cut"]
    call = make_event(type=EventType.TOOL_CALL_COMPLETED, data=data)
    assert EntryMaker().entry(call).get("tool", {}).get("duration_ms") is None


def test_a_huge_event_is_not_decoded_for_a_list() -> None:
    """
    An event of many megabytes is shown by the beginning of its text.
    """
    text = encode_json({"content": "x" * 5_000_000})
    event = make_event(type=EventType.MESSAGE_SENT).with_given(1)
    values = [
        EncodedJSON(text) if name == "data" else getattr(event, name)
        for name in attrs.fields_dict(Event)
    ]

    entry = EntryMaker().entry(Event.from_stored(values))

    assert entry["bytes"] == len(text)
    assert "parts" not in entry
    assert entry.get("data", {}).get("text", "").startswith('{"content":"xxx')


@pytest.mark.parametrize("event_type", list(EventType), ids=str)
def test_events_of_any_shape_are_displayed(event_type: EventType) -> None:
    """
    No event is refused for data that nobody expects.
    """
    odd: dict[str, Any] = {"content": 1, "reason": [], "error_message": {}, "turn": "x"}
    for data in ({}, odd):
        event = make_event(type=event_type, data=data)

        assert EntryMaker().entry(event)["kind"] != "other"
