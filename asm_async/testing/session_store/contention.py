"""
Writers of all kinds that get in each other's way.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from asm_async.errors import SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event

__all__ = ["TestContention"]

_SESSIONS = ("ses_1", "ses_2", "ses_3")
_WRITERS = 8
_ROUNDS = 6


async def append_across(
    store: SessionStore, writer: int, session_ids: Sequence[str]
) -> list[Event]:
    """
    Append batches to all of *session_ids*, in that order, and give what was stored.
    """
    stored: list[Event] = []
    for number in range(_ROUNDS):
        batch = [
            make_event(id=f"evt_{writer}_{number}", session_id=session_id)
            for session_id in session_ids
        ]
        try:
            stored += await store.append_events(batch)
        except SessionNotFoundError:
            # Somebody has deleted one of them.
            await asyncio.sleep(0)
    return stored


async def delete_and_save(
    store: SessionStore, session_ids: Sequence[str]
) -> list[Event]:
    """
    Delete each session and save it again, over and over; this stores no event.
    """
    for _ in range(_ROUNDS):
        for session_id in session_ids:
            await store.delete_session(session_id)
            await store.save_session(make_session(id=session_id))
    return []


async def save_and_flush(
    store: SessionStore, writer: int, session_ids: Sequence[str]
) -> list[Event]:
    """
    Save sessions and flush runs into them, and give the events that were stored.
    """
    stored: list[Event] = []
    for number in range(_ROUNDS):
        for session_id in session_ids:
            await store.save_session(make_session(id=session_id))
            run_id = f"run_{writer}_{number}_{session_id}"
            result = make_execution_result(
                session=make_session(id=session_id),
                run=make_run(id=run_id, session_id=session_id),
                events=[make_event(id=run_id, session_id=session_id)],
            )
            stored += (await store.flush(result)).events
    return stored


def numbers_by_session(events: Sequence[Event]) -> dict[str, list[int]]:
    """
    Return each session's numbers, sorted.
    """
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        numbers[event.session_id].append(event.sequence_number)
    return {session_id: sorted(given) for session_id, given in numbers.items()}


@needs(Capability.SPANS_SESSIONS)
class TestContention(SessionStoreContract):
    """
    Nobody waits forever, and nobody is told of anybody else's troubles.
    """

    async def test_batches_that_share_sessions_in_opposite_order_never_deadlock(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        All succeed, and each session's numbers are whole.
        """
        for session_id in _SESSIONS:
            await store.save_session(make_session(id=session_id))
        stores = [await open_store() for _ in range(_WRITERS)]
        batches = await run_together(
            append_across(opened, writer, _SESSIONS[:: -1 if writer % 2 else 1])
            for writer, opened in enumerate(stores)
        )
        expected = list(range(1, _WRITERS * _ROUNDS + 1))
        stored = [event for batch in batches for event in batch]
        assert numbers_by_session(stored) == dict.fromkeys(_SESSIONS, expected)
        for session_id in _SESSIONS:
            assert numbers_of(await store.get_events(session_id)) == expected

    async def test_deletes_and_saves_beside_batches_use_no_number_twice(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Appends fail only where a session is gone; all numbers ever given are whole.
        """
        for session_id in _SESSIONS:
            await store.save_session(make_session(id=session_id))
        backwards = _SESSIONS[::-1]
        histories = await run_together(
            [
                append_across(await open_store(), 1, _SESSIONS),
                append_across(await open_store(), 2, backwards),
                append_across(await open_store(), 3, backwards),
                append_across(await open_store(), 4, _SESSIONS),
                save_and_flush(await open_store(), 5, _SESSIONS),
                save_and_flush(await open_store(), 6, backwards),
                delete_and_save(await open_store(), backwards),
                delete_and_save(await open_store(), _SESSIONS),
            ]
        )
        stored = [event for history in histories for event in history]
        for session_id in _SESSIONS:
            await store.save_session(make_session(id=session_id))
            latest = await store.get_latest_sequence(session_id)
            ever_given = numbers_by_session(stored)[session_id]
            assert ever_given == list(range(1, latest + 1))

    async def test_a_refused_append_is_nobody_elses_trouble(
        self, store: SessionStore
    ) -> None:
        """
        Beside appends that fail, all others get numbers without a hole.
        """
        await store.save_session(make_session())

        async def refused(number: int) -> list[Event]:
            orphan = make_event(id=f"bad_{number}", session_id="ses_unknown")
            try:
                return await store.append_events([make_event(id="evt_0"), orphan])
            except SessionNotFoundError:
                return []

        outcomes = await run_together(
            store.append_events(make_events(1, first=number))
            if number % 2
            else refused(number)
            for number in range(4 * _WRITERS)
        )
        stored = [event for outcome in outcomes for event in outcome]
        assert sorted(numbers_of(stored)) == list(range(1, 2 * _WRITERS + 1))
        assert len(await store.get_events("ses_1")) == 2 * _WRITERS
