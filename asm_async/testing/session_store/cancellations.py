"""
Calls that are cancelled at whatever moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import attrs
import pytest

from asm_async.errors import SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.concurrency import cancel_after, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    session_of,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event

__all__ = ["TestCancellations"]

T = TypeVar("T")

# Many times what any call needs, and a fraction of a store's timeout: a cancelled call
# waits for its outcome, and for nothing else.
_SOON_SECONDS = 10


async def cancel_ever_later(
    call: Callable[[int], Coroutine[Any, Any, T]],
    check: Callable[[int, T | None], Awaitable[object]],
) -> None:
    """
    Make *call* over and over, each time cancelled a little later, until it is through.

    Args:
        call: Gets the number of the attempt, 0 and up.

        check: What to look at after each attempt; gets its number and its result, which
            is None if it was cancelled.
    """
    attempt, turns, result = 0, 0, None
    while result is None:
        async with asyncio.timeout(_SOON_SECONDS):
            result = await cancel_after(turns, call(attempt))
        await check(attempt, result)
        attempt, turns = attempt + 1, turns + 1 + turns // 12


class TestCancellations(SessionStoreContract):
    """
    A cancelled call has happened or has not; either is settled when it returns.
    """

    @pytest.mark.usefixtures("session")
    async def test_a_cancelled_append_leaves_no_hole(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        A batch is there whole or not at all, and the log has every number up to now.
        """
        another = await open_store()

        def batch(attempt: int) -> list[Event]:
            return make_events(3, first=10 * attempt)

        async def check(attempt: int, stored: list[Event] | None) -> None:
            log = await another.get_events("ses_1")
            assert numbers_of(log) == list(range(1, len(log) + 1))
            ids = [event.id for event in log]
            known = [event.id in ids for event in batch(attempt)]
            assert known == [known[0]] * 3
            assert stored is None or stored == log[-3:]
            assert await another.get_latest_sequence("ses_1") == len(log)

        await cancel_ever_later(lambda n: store.append_events(batch(n)), check)

    @pytest.mark.usefixtures("session")
    async def test_the_outcome_is_settled_when_a_cancelled_call_returns(
        self, store: SessionStore
    ) -> None:
        """
        What is not there then does not appear later, behind the next append's back.
        """

        async def check(attempt: int, _: Event | None) -> None:
            before = await store.get_events("ses_1")
            marker = make_event(id=f"marker_{attempt}")
            stored = await store.append_event_with_sequence(marker)
            assert await store.get_events("ses_1") == [*before, stored]
            assert stored.sequence_number == len(before) + 1

        await cancel_ever_later(
            lambda n: store.append_event_with_sequence(make_event(id=f"evt_{n}")), check
        )

    @pytest.mark.usefixtures("session")
    async def test_repeating_a_cancelled_append_is_safe(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        With or without an expectation, each event ends up in the log once.
        """
        another = await open_store()

        def append(opened: SessionStore, number: int) -> Coroutine[Any, Any, Event]:
            return opened.append_event_with_sequence(
                make_event(id=f"evt_{number}"),
                expected_sequence=number if number % 2 else None,
            )

        async def check(attempt: int, _: Event | None) -> None:
            for opened in (another, store):
                repeated = await append(opened, attempt)
                assert repeated.sequence_number == attempt + 1

        await cancel_ever_later(lambda n: append(store, n), check)
        log = await store.get_events("ses_1")
        assert [event.id for event in log] == [f"evt_{n}" for n in range(len(log))]

    async def test_repeating_a_cancelled_save_with_an_expectation_is_safe(
        self, store: SessionStore
    ) -> None:
        """
        Each save of a session and of a run raises the revision once.
        """
        await store.save_session(make_session(id="ses_2"))

        async def save(number: int) -> int:
            session = make_session(agent_id=f"agent_{number}")
            saved = await store.save_session(
                session, expected_revision=number, operation_id=f"op_{number}"
            )
            run = make_run(session_id="ses_2", turn_count=number)
            ran = await store.save_run(
                run, expected_revision=number, operation_id=f"op_{number}"
            )
            assert saved.revision == ran.revision
            return saved.revision

        async def check(attempt: int, _: int | None) -> None:
            assert await save(attempt) == attempt + 1

        await cancel_ever_later(save, check)

    async def test_a_cancelled_flush_is_whole_or_not_at_all(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Session, run and events are all there, or none of them is.
        """
        another = await open_store()

        async def check(attempt: int, _: object) -> None:
            session_id = f"ses_{attempt}"
            numbers = numbers_of(await another.get_events(session_id))
            runs = await another.list_runs(session_id)
            assert (numbers, len(runs)) in (([], 0), ([1, 2], 1))
            if runs:
                assert (await another.get_session(session_id)).revision == 1
            else:
                with pytest.raises(SessionNotFoundError):
                    await another.get_session(session_id)

        await cancel_ever_later(
            lambda n: store.flush(
                make_execution_result(
                    session=make_session(id=f"ses_{n}"),
                    run=make_run(id=f"run_{n}", session_id=f"ses_{n}"),
                    events=make_events(2, session_id=f"ses_{n}"),
                )
            ),
            check,
        )

    async def test_a_cancelled_deletion_is_whole_or_not_at_all(
        self, store: SessionStore
    ) -> None:
        """
        The session is there with all it had, or all of it is gone.
        """
        before = await store.flush(make_execution_result())

        async def delete() -> bool:
            await store.delete_session("ses_1")
            return True

        async def check(_: int, __: object) -> None:
            nonlocal before
            try:
                assert await store.get_session("ses_1") == before.session
                assert await store.list_runs("ses_1") == [before.run]
                assert await store.get_events("ses_1") == list(before.events)
            except SessionNotFoundError:
                assert await store.list_runs("ses_1") == []
                assert await store.get_events("ses_1") == []
                latest = before.events[-1].sequence_number
                before = await store.flush(make_execution_result())
                assert numbers_of(before.events) == [latest + 1, latest + 2]

        await cancel_ever_later(lambda _: delete(), check)

    @pytest.mark.usefixtures("session")
    async def test_a_cancelled_append_is_nobody_elses_trouble(
        self, store: SessionStore
    ) -> None:
        """
        Among many that start at once, only the cancelled ones may be missing.
        """
        rounds = (0, 1, 2, 3, 5, 8, 20, 50, 100, 200, 500, 1_000)
        for number, turns in enumerate(rounds):
            events = make_events(16, first=100 * number)
            cancelled = [
                cancel_after(turns + n, store.append_event_with_sequence(event))
                for n, event in enumerate(events[8:])
            ]
            others = [store.append_event_with_sequence(event) for event in events[:8]]
            async with asyncio.timeout(_SOON_SECONDS):
                outcomes = await run_together([*others, *cancelled])
            log = await store.get_events("ses_1")
            assert numbers_of(log) == list(range(1, len(log) + 1))
            assert all(outcome in log for outcome in outcomes if outcome is not None)
            assert None not in outcomes[:8]
            repeated = await store.append_events(events)
            assert numbers_of(repeated)[:8] == [
                event.sequence_number for event in outcomes[:8] if event is not None
            ]
        assert numbers_of(await store.get_events("ses_1")) == list(
            range(1, 16 * len(rounds) + 1)
        )

    async def test_a_cancelled_read_harms_nothing(self, store: SessionStore) -> None:
        """
        The store reads and writes as before.
        """
        flushed = await store.flush(make_execution_result())

        async def check(attempt: int, _: object) -> None:
            session = await store.save_session(make_session())
            assert session.revision == attempt + 2
            assert await store.get_events("ses_1") == list(flushed.events)

        await cancel_ever_later(lambda _: store.get_events("ses_1"), check)
        assert await store.get_session("ses_1") == attrs.evolve(
            session_of(flushed), revision=(await store.get_session("ses_1")).revision
        )
