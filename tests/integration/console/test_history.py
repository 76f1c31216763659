"""
Windows on a session's events, single events, and finding something among them.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from asm_async import EventType, conventions
from asm_async.testing.factories import NOON, make_event, make_events, make_session
from tests.integration.console.serving import PATH, Console


async def begin(console: Console, count: int) -> None:
    """
    Store a session with so many events.
    """
    await console.ports.store.save_session(make_session())
    await console.ports.store.append_events(make_events(count))


def numbers(window: Any) -> list[int]:
    """
    Return which events a window shows.
    """
    return [entry["sequence"] for entry in window["items"]]


async def test_a_window_is_found_by_its_first_number(console: Console) -> None:
    """
    Any window of a session is shown, its beginning, its end, and what is beyond.
    """
    await begin(console, 250)
    ask = console.get

    assert numbers(await ask("entries", session_id="ses_1")) == list(range(1, 101))
    middle = await ask("entries", session_id="ses_1", first=120, limit=7)
    assert numbers(middle) == list(range(120, 127))
    assert (middle["first_sequence"], middle["latest_sequence"]) == (1, 250)
    last = await ask("entries", session_id="ses_1", last=3)
    assert numbers(last) == [248, 249, 250]
    assert numbers(await ask("entries", session_id="ses_1", first=251)) == []
    assert numbers(await ask("entries", session_id="ses_1", limit=0)) == []


async def test_a_session_without_events_has_an_empty_window(console: Console) -> None:
    """
    The first number of nothing is the next that there will be.
    """
    await console.ports.store.save_session(make_session())

    assert await console.get("entries", session_id="ses_1", last=10) == {
        "items": [],
        "first_sequence": 1,
        "latest_sequence": 0,
        "retracted": [],
    }


async def test_a_window_of_long_events_ends_early(console: Console) -> None:
    """
    However long events are, one answer is bounded, and the next goes on.
    """
    await console.ports.store.save_session(make_session())
    long = "x" * 300_000
    events = [make_event(id=f"e{n}", data={"content": long}) for n in range(40)]
    for event in events:
        await console.ports.store.append_event(event)

    found: list[int] = []
    while len(found) < len(events):
        window = await console.get(
            "entries", session_id="ses_1", first=len(found) + 1, limit=40
        )
        assert 0 < len(window["items"]) < len(events)
        found += numbers(window)

    assert found == list(range(1, 41))


async def test_retracted_events_are_shown_and_marked(console: Console) -> None:
    """
    Nothing is hidden from the console: what was retracted is marked.
    """
    await begin(console, 6)
    await console.ports.store.retract_events("ses_1", first=2, last=3)
    await console.ports.store.retract_events("ses_1", first=5, last=5)

    window = await console.get("entries", session_id="ses_1")

    assert [
        entry["sequence"] for entry in window["items"] if entry["is_retracted"]
    ] == [2, 3, 5]
    assert window["retracted"] == [[2, 3], [5, 5]]
    assert window["items"][-1]["kind"] == "retraction"
    one = await console.get("session", session_id="ses_1")
    assert one["retracted"] == [[2, 3], [5, 5]]


async def test_one_event_is_whole_and_to_the_letter(console: Console) -> None:
    """
    The raw event is JSON text that loses nothing, and its entry is not cut.
    """
    await console.ports.store.save_session(make_session())
    data = {"z": 1.0, "a": 12345678901234567890, "t": "é\ud800\n" * 3_000}
    event = make_event(type="myapp.odd", data=data, metadata={"m": None})
    await console.ports.store.append_event(event)

    found = await console.get("event", session_id="ses_1", sequence=1)

    assert json.loads(found["text"]) == event.with_given(1).to_dict()
    assert '"z": 1.0' in found["text"]
    assert found["text"].index('"z"') < found["text"].index('"a": 1234')
    assert not found["entry"]["is_cut"]
    missing = await console.client.get(
        f"{PATH}/api/event", params={"session_id": "ses_1", "sequence": 2}
    )
    assert missing.status_code == HTTPStatus.NOT_FOUND


async def find_all(console: Console, **asked: Any) -> list[int]:
    """
    Return all that is found, request by request.
    """
    found: list[int] = []
    after = 0
    while True:
        page = await console.get("find", session_id="ses_1", after=after, **asked)
        found += [item["sequence"] for item in page["items"]]
        assert page["searched_to"] >= after
        if page["is_done"]:
            return found
        after = page["searched_to"]


async def test_a_text_is_found_in_any_case_wherever_it_stands(
    console: Console,
) -> None:
    """
    Texts in the data, of any depth, ids and types are searched; keys are not.
    """
    await console.ports.store.save_session(make_session())
    texts: list[dict[str, Any]] = [
        {"content": "The REFUND is late"},
        {"content": [{"type": "text", "text": "a refund"}]},
        {"refund": "a key alone"},
        {"content": 'said "é\n"'},
        {"content": "none"},
    ]
    events = [make_event(id=f"e{n}", data=data) for n, data in enumerate(texts, 1)]
    await console.ports.store.append_events(events)

    assert await find_all(console, q="refund") == [1, 2]
    assert await find_all(console, q="refund", limit=1) == [1, 2]
    assert await find_all(console, q='"É') == [4]
    assert await find_all(console, q="e5") == [5]
    assert await find_all(console, q="nowhere") == []
    (item,) = (await console.get("find", session_id="ses_1", q="refund", limit=1))[
        "items"
    ]
    assert item["excerpt"] == "The REFUND is late"


async def test_what_went_wrong_is_found(console: Console) -> None:
    """
    Failures are found without a text, or those that hold it.
    """
    await begin(console, 3)
    options: dict[str, Any] = {"session_id": "ses_1"}
    call: dict[str, Any] = {"tool_call_id": "c", "tool_name": "search"}
    await console.ports.store.append_events(
        [
            conventions.error_occurred(error_message="rate limit", **options),
            conventions.tool_call_completed(tool_output=1, **call, **options),
            conventions.tool_call_failed(error_message="timeout", **call, **options),
            conventions.run_failed(error_message="gave up", run_id="r", **options),
        ]
    )

    assert await find_all(console, errors=True) == [4, 6, 7]
    assert await find_all(console, errors=True, q="time") == [6]
    refused = await console.client.get(
        f"{PATH}/api/find", params={"session_id": "ses_1"}
    )
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_a_run_and_a_time_are_located(console: Console) -> None:
    """
    Where a run begins, and the first event at a time or later, are numbers.
    """
    await begin(console, 2)
    await console.ports.store.append_events(
        [
            make_event(id="a", run_id="r1", type=EventType.RUN_STARTED),
            make_event(id="b", timestamp=NOON.replace(hour=15)),
        ]
    )

    async def locate(**asked: str) -> int | None:
        found = await console.get("locate", session_id="ses_1", **asked)
        number: int | None = found["sequence"]
        return number

    assert await locate(run_id="r1") == 3
    assert await locate(run_id="r2") is None
    assert await locate(time="2026-01-02T14:00:00Z") == 4
    assert await locate(time="2026-01-03T00:00:00Z") is None
