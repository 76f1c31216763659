"""
What changes is told: in one session, and in the list of sessions.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus

import attrs
import pytest

from asm_async import RunStatus
from asm_async.console import live
from asm_async.integrations.fastapi import Limits
from asm_async.recording.leases import RunItems
from asm_async.testing.factories import make_event, make_events, make_run, make_session
from tests.integration.console.serving import PATH, Console, open_console
from tests.integration.fastapi.event_source import EventSource, Message, open_stream

STREAM = f"{PATH}/api/stream"
LIST = f"{PATH}/api/stream/sessions"


async def next_of(stream: EventSource, event: str) -> Message:
    """
    Return the next message of one kind.
    """
    async with asyncio.timeout(15):
        while message := await stream.next():
            if message.event == event:
                return message
    raise AssertionError(f"the stream ended without {event}")


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Look for what leaves no event after a tenth of the time.
    """
    monkeypatch.setattr(live, "_SILENT_SECONDS", 0.5)
    monkeypatch.setattr(live, "_LIST_SECONDS", 0.1)


async def test_new_events_of_a_session_are_told(console: Console) -> None:
    """
    A page is told what was appended since it looked, then what is, with the session.
    """
    store = console.ports.store
    await store.save_session(make_session())
    await store.append_events(make_events(3))

    asked = {"session_id": "ses_1", "after": 1}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        first = await next_of(stream, "entries")
        session = await next_of(stream, "session")
        await store.append_events(make_events(2, first=4))
        second = await next_of(stream, "entries")

    assert [entry["sequence"] for entry in first.data["items"]] == [2, 3]
    assert (first.id, first.data["latest_sequence"]) == ("3", 3)
    assert session.data["latest_sequence"] == 3
    assert [entry["sequence"] for entry in second.data["items"]] == [4, 5]
    assert second.data["retracted"] is None


async def test_a_stream_goes_on_behind_the_last_id(console: Console) -> None:
    """
    A client that reconnects is told what it has not seen.
    """
    await console.ports.store.save_session(make_session())
    await console.ports.store.append_events(make_events(3))

    asked = {"session_id": "ses_1"}
    async with open_stream(console.client, STREAM, "2", params=asked) as stream:
        message = await next_of(stream, "entries")

    assert [entry["sequence"] for entry in message.data["items"]] == [3]


async def test_very_many_new_events_are_only_counted(console: Console) -> None:
    """
    A page that is far behind is told how far, and asks for the window that it shows.
    """
    await console.ports.store.save_session(make_session())
    await console.ports.store.append_events(make_events(250))

    asked = {"session_id": "ses_1"}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        message = await next_of(stream, "entries")

    assert message.data["items"] == []
    assert message.data["latest_sequence"] == 250


async def test_many_appends_in_a_row_are_few_messages(console: Console) -> None:
    """
    What comes quickly is told together, each event once and in order.
    """
    await console.ports.store.save_session(make_session())
    messages: list[Message] = []
    numbers: list[int] = []

    asked = {"session_id": "ses_1"}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        await next_of(stream, "session")
        for event in make_events(60):
            await console.ports.store.append_event(event)
        while len(numbers) < 60:
            messages.append(await next_of(stream, "entries"))
            numbers += [each["sequence"] for each in messages[-1].data["items"]]

    assert numbers == list(range(1, 61))
    assert len(messages) < 30


async def test_a_retraction_is_told_with_its_ranges(console: Console) -> None:
    """
    A page is told which of the events that it shows are retracted now.
    """
    await console.ports.store.save_session(make_session())
    await console.ports.store.append_events(make_events(3))

    asked = {"session_id": "ses_1", "after": 3}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        await next_of(stream, "session")
        await console.ports.store.retract_events("ses_1", first=1, last=2)
        message = await next_of(stream, "entries")

    assert message.data["retracted"] == [[1, 2]]


@pytest.mark.usefixtures("quick_looks")
async def test_what_leaves_no_event_is_told_as_well(console: Console) -> None:
    """
    A session that is shown changes when the lease of a run lapses.
    """
    await console.ports.store.save_session(make_session())
    await console.ports.store.save_run(make_run(status=RunStatus.RUNNING))
    lease = RunItems("ses_1", "run_1").new_lease("recorder", 60.0)
    await console.ports.state.save_items([lease])

    asked = {"session_id": "ses_1"}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        first = await next_of(stream, "session")
        long_ago = datetime.now(UTC).timestamp() - 1_000
        lapsed = attrs.evolve(lease, data={**lease.data, "renewed_at": long_ago})
        await console.ports.state.save_items([lapsed])
        second = await next_of(stream, "session")

    assert [run["state"] for run in first.data["runs"]] == ["running"]
    assert [run["state"] for run in second.data["runs"]] == ["interrupted"]


async def test_a_session_that_is_removed_is_gone(console: Console) -> None:
    """
    A page that shows a session is told that it is not there any more.
    """
    await console.ports.store.save_session(make_session())

    asked = {"session_id": "ses_1"}
    async with open_stream(console.client, STREAM, params=asked) as stream:
        await next_of(stream, "session")
        await console.ports.store.delete_session("ses_1")
        message = await next_of(stream, "gone")
        assert await stream.next() is None

    assert message.data == {}
    answer = await console.client.get(STREAM, params=asked)
    assert answer.status_code == HTTPStatus.NOT_FOUND
    await console.assert_nothing_is_held()


@pytest.mark.usefixtures("quick_looks")
async def test_the_list_is_told_at_first_and_then_what_changes(
    console: Console,
) -> None:
    """
    The first message has all rows; later ones those that changed, and what is gone.
    """
    store = console.ports.store
    for id_ in ("a", "b"):
        await store.save_session(make_session(id=id_))

    async with open_stream(console.client, LIST) as stream:
        first = await next_of(stream, "sessions")
        await store.append_event(make_event(session_id="a"))
        second = await next_of(stream, "sessions")
        await console.ports.maintenance.soft_delete_session("b")
        third = await next_of(stream, "sessions")
        await store.save_session(make_session(id="c"))
        fourth = await next_of(stream, "sessions")

    assert [row["id"] for row in first.data["items"]] == ["b", "a"]
    assert [row["id"] for row in second.data["items"]] == ["a"]
    assert second.data["items"][0]["latest_sequence"] == 1
    assert third.data == {"items": [], "removed": ["b"]}
    assert [row["id"] for row in fourth.data["items"]] == ["c"]


@pytest.mark.usefixtures("quick_looks")
async def test_a_session_that_leaves_a_filtered_list_is_removed(
    console: Console,
) -> None:
    """
    A session that does not match any more is removed from the page.
    """
    store = console.ports.store
    session = await store.save_session(make_session(tags=("vip",)))

    async with open_stream(console.client, LIST, params={"tag": "vip"}) as stream:
        await next_of(stream, "sessions")
        await store.save_session(session.with_tags(remove=["vip"]))
        message = await next_of(stream, "sessions")

    assert message.data == {"items": [], "removed": ["ses_1"]}


async def test_streams_are_bounded_in_number() -> None:
    """
    A tenant that has as many streams open as it may is told to wait.
    """
    limits = Limits(max_streams_per_tenant=1)
    async with (
        open_console(None, limits=limits) as console,
        console.of_tenant("own") as tenant,
        tenant.stream("GET", "api/stream/sessions"),
    ):
        answer = await tenant.get("api/stream/sessions")

    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert answer.headers["retry-after"] == "5"
