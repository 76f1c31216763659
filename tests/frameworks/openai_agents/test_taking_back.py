"""
What is popped, cleared and replaced, and what holds beside other writers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async import Event, Ports
from asm_async.errors import SequenceConflictError
from asm_async.integrations.openai_agents import history
from asm_async.values.retraction import hidden_ranges
from tests.frameworks.openai_agents.sdk_items import (
    UntypedSession,
    numbered,
)


async def test_a_pop_takes_the_latest_item(ports: Ports) -> None:
    """
    Items are popped from the end, until there is none.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(3))

    assert [await session.pop_item() for _ in range(4)] == [*numbered(3)[::-1], None]
    await session.add_items(numbered(1, first=9))
    assert await session.get_items() == numbered(1, first=9)


async def test_what_is_taken_back_stays_in_the_log(ports: Ports) -> None:
    """
    Popped and cleared items are hidden from readers of what is visible, and not gone.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(3))
    await session.pop_item()
    await session.clear_session()

    assert await session.get_items() == []
    assert await ports.store.get_events("chat", visible_only=True) == []
    events = await ports.store.get_events("chat")
    assert [e.data["original"] for e in events[:3]] == numbered(3)
    assert [e.sequence_number for e in events] == [1, 2, 3, 4, 5]


async def test_a_pop_passes_over_what_others_append(ports: Ports) -> None:
    """
    A pop leaves the events of others alone, in front of the item and behind it.
    """
    session = UntypedSession("chat", ports)
    await _note(ports, 1)
    for number in range(3):
        await session.add_items(numbered(1, first=number))
        await _note(ports, 3)

    assert [await session.pop_item() for _ in range(4)] == [*numbered(3)[::-1], None]
    visible = await ports.store.get_events("chat", visible_only=True)
    assert [event.type for event in visible] == ["myapp.note"] * 10


async def test_concurrent_pops_are_given_different_items(ports: Ports) -> None:
    """
    Of many pops at the same time each has an item of its own, and the rest has none.
    """
    await UntypedSession("chat", ports).add_items(numbered(12))

    popped = await asyncio.gather(
        *(UntypedSession("chat", ports).pop_item() for _ in range(15))
    )

    found = sorted(int(item["content"]) for item in popped if item is not None)
    assert found == list(range(12))
    assert popped.count(None) == 3


async def test_adding_beside_popping_loses_and_doubles_nothing(ports: Ports) -> None:
    """
    Each item that was added was popped once, or is still there, in order.
    """
    session = UntypedSession("chat", ports)
    popped: list[Any] = []

    async def add(writer: int) -> None:
        for number in range(10):
            pair = numbered(2, first=1_000 * writer + 2 * number)
            await UntypedSession("chat", ports).add_items(pair)

    async def pop() -> None:
        for _ in range(12):
            popped.append(await UntypedSession("chat", ports).pop_item())
            await asyncio.sleep(0)

    await asyncio.gather(add(1), add(2), add(3), pop(), pop())

    left = [int(item["content"]) for item in await session.get_items()]
    taken = [int(item["content"]) for item in popped if item is not None]
    added = [1_000 * w + n for w in (1, 2, 3) for n in range(20)]
    assert sorted(left + taken) == added
    for writer in (1, 2, 3):
        own = [number for number in left if number // 1_000 == writer]
        assert own == sorted(own)


async def test_clearing_beside_adding_leaves_what_came_later(ports: Ports) -> None:
    """
    A clear takes back a beginning of the log, and whole batches of it.
    """
    session = UntypedSession("chat", ports)

    async def add() -> None:
        for number in range(20):
            await session.add_items(numbered(2, first=2 * number))

    async def clear() -> None:
        for _ in range(5):
            await asyncio.sleep(0.001)
            await UntypedSession("chat", ports).clear_session()

    await asyncio.gather(add(), clear())

    left = [int(item["content"]) for item in await session.get_items()]
    assert left == list(range(40 - len(left), 40))
    assert len(left) % 2 == 0


async def test_a_pop_ends_although_others_go_on_writing(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A pop that always comes too late raises when its time has run out.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(2))
    monkeypatch.setattr(history, "SECONDS_TO_RETRY", 0.05)
    looked = history.History._retract

    async def too_late(self: history.History, *arguments: Any, **more: Any) -> None:
        await UntypedSession("chat", ports).add_items(numbered(1))
        await looked(self, *arguments, **more)

    monkeypatch.setattr(history.History, "_retract", too_late)

    with pytest.raises(SequenceConflictError):
        await session.pop_item()


async def test_pops_in_a_row_are_one_range(ports: Ports) -> None:
    """
    Adding and popping again and again hides one range, however often.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(3))
    for number in range(30):
        await session.add_items(numbered(2, first=number))
        await session.pop_item()
        await session.pop_item()

    assert await session.get_items() == numbered(3)
    assert len(await _hidden(ports)) == 1


@pytest.mark.timeout(300)
async def test_thousands_of_pops_between_items_that_stay(
    ports: Ports, framework_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Items are taken back without end between others that stay.

    There are 2,000, and a session hides 1,000 ranges at most; what is written again for
    that, is so once. Where each call takes longer, there are fewer of both.
    """
    rounds = 2_000
    if framework_url is None or not framework_url.startswith("sqlite"):
        rounds = 300
        monkeypatch.setattr(history, "MAX_RANGES", 30)
    session, stay = UntypedSession("chat", ports), numbered(rounds)
    for number in range(rounds):
        await session.add_items([stay[number], {"role": "user", "content": "oops"}])
        assert await session.pop_item() == {"role": "user", "content": "oops"}

    assert await session.get_items() == stay
    assert await session.get_items(3) == stay[-3:]
    assert len(await _hidden(ports)) <= history.MAX_RANGES
    assert await ports.store.get_latest_sequence("chat") <= 4 * rounds
    await session.clear_session()
    assert await session.get_items() == []
    assert len(await _hidden(ports)) == 1


async def test_what_is_written_again_is_as_it_was(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Events that are moved behind merged ranges keep type, time, run and order.
    """
    monkeypatch.setattr(history, "MAX_RANGES", 4)
    monkeypatch.setattr(history, "MIN_MERGED", 1)
    session = UntypedSession("chat", ports, run_id="run_1")
    times = {}
    for number in range(12):
        await session.add_items(numbered(2, first=10 * number))
        assert await session.pop_item() is not None
        (event,) = await ports.store.get_events("chat", visible_only=True, last=1)
        times[event.data["content"]] = event.timestamp

    visible = await ports.store.get_events("chat", visible_only=True)
    assert [event.data["content"] for event in visible] == list(times)
    assert [event.timestamp for event in visible] == list(times.values())
    assert {(event.type, event.run_id) for event in visible} == {
        ("message_sent", "run_1")
    }


async def _hidden(ports: Ports) -> Any:
    (told,) = await ports.store.get_events(
        "chat", correlation_id="asm.retractions", last=1
    )
    return hidden_ranges(told.data)


async def _note(ports: Ports, count: int) -> None:
    if not await ports.store.get_latest_sequence("chat"):
        await UntypedSession("chat", ports).add_items(numbered(1))
        await UntypedSession("chat", ports).pop_item()
    events = [Event.new(type="myapp.note", session_id="chat") for _ in range(count)]
    await ports.store.append_events(events)
