"""
What is read of a session of which something is hidden.
"""

from __future__ import annotations

from typing import Any

import pytest_asyncio

from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.retraction import RETRACTIONS

__all__ = ["TestVisibleEvents"]

_COUNT = 10


class TestVisibleEvents(SessionStoreContract):
    """
    ``visible_only`` leaves out what is hidden, and what says so.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def events(self, store: SessionStore) -> None:
        """
        Store a session with events that are numbered 1 to 10.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(_COUNT))

    async def test_every_filter_goes_together_with_what_is_visible(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Limits count visible events only, whatever lies between them.
        """
        more = [
            make_event(
                id=f"evt_{number}",
                type="myapp.rare" if number % 20 == 0 else "myapp.usual",
                run_id=f"run_{number % 3}",
                correlation_id=f"call_{number % 5}",
            )
            for number in range(_COUNT + 1, 300)
        ]
        await store.append_events(more)
        for first in (4, 9, *range(20, 200, 3), 205):
            last = first + (80 if first == 205 else first % 2)
            await store.retract_events("ses_1", first=first, last=last)
        await backend.prune("ses_1", [*range(100, 120), 299, 301])
        stored = await store.get_events("ses_1")
        hidden = stored[-1].data["hidden"]
        assert len(hidden) > 40
        visible = [
            event
            for event in stored
            if event.type != EVENTS_RETRACTED
            and not any(a <= event.sequence_number <= b for a, b in hidden)
        ]
        assert len(visible) > 80
        cases: list[tuple[dict[str, Any], list[Event]]] = [
            ({}, visible),
            ({"after": 40, "before": 290}, [e for e in visible if e in stored[40:269]]),
            ({"type": "myapp.rare"}, [e for e in visible if e.type == "myapp.rare"]),
            ({"run_id": "run_1"}, [e for e in visible if e.run_id == "run_1"]),
            (
                {"ids": [f"evt_{number}" for number in range(90)]},
                [e for e in visible if int(e.id.removeprefix("evt_")) < 90],
            ),
            (
                {"correlation_id": "call_2"},
                [e for e in visible if e.correlation_id == "call_2"],
            ),
            ({"correlation_id": RETRACTIONS}, []),
            ({"after": 10_000}, []),
        ]
        for filters, found in cases:
            read = await store.get_events("ses_1", visible_only=True, **filters)
            assert numbers_of(read) == numbers_of(found)
            for count in (0, 1, 5, 40, 1_000):
                first = await store.get_events(
                    "ses_1", visible_only=True, limit=count, **filters
                )
                last = await store.get_events(
                    "ses_1", visible_only=True, last=count, **filters
                )
                assert first == found[:count]
                assert last == (found[-count:] if count else [])

    async def test_a_session_that_is_begun_anew_hides_nothing(
        self, store: SessionStore
    ) -> None:
        """
        With a session go its retractions; numbers go on.
        """
        await store.retract_events("ses_1", first=1, last=9)
        await store.delete_session("ses_1")
        assert await store.get_events("ses_1", visible_only=True) == []
        await store.save_session(make_session())
        await store.append_events(make_events(2))
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [12, 13]
        (told,) = await store.retract_events("ses_1", first=12, last=12)
        assert told.data["hidden"] == [[12, 12]]

    async def test_who_waits_for_something_visible_is_woken_by_it(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Not by the retraction itself, but by what comes in the place of what is hidden.
        """
        other = await open_store()
        (found,), written = await run_together(
            [
                store.get_events(
                    "ses_1", visible_only=True, after=_COUNT, wait_timeout=30
                ),
                other.retract_events(
                    "ses_1", first=1, last=9, replacement=[make_event(id="evt_11")]
                ),
            ]
        )
        assert found == written[1]
