"""
Appending events: order, atomicity and no orphans.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import attrs
import pytest

from asm_async.errors import (
    EventConflictError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH, SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_events,
    make_session,
    numbered,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event, EventType

__all__ = ["TestAppends"]

# Naive multi-row statements break far below: SQLite and PostgreSQL's protocol take some
# 32,767 parameters, and an event has eleven fields.
_MANY = 4_000


def full_event() -> Event:
    """
    Make an event without a field at its default, but for the one the store gives.
    """
    return make_event(
        type="myapp.plan_revised",
        timestamp=NOON + timedelta(microseconds=1),
        run_id="run_1",
        data={"steps": ["think", "act"]},
        metadata={"host": "a"},
        schema_version=2,
        provider="acme",
        correlation_id="trace_1",
    )


@pytest.mark.usefixtures("session")
class TestAppends(SessionStoreContract):
    """
    A session's events are numbered 1, 2, 3 and so on, in the order of their appends.
    """

    async def test_an_event_is_stored_as_given(self, store: SessionStore) -> None:
        """
        Every field comes back as it was given, with the session's next number.
        """
        stored = await store.append_event_with_sequence(full_event())
        assert stored == attrs.evolve(full_event(), sequence_number=1)
        assert await store.get_events("ses_1") == [stored]

    async def test_append_event_stores_and_gives_nothing_back(
        self, store: SessionStore
    ) -> None:
        """
        The plain form of appending returns None.
        """
        append: Callable[[Event], Awaitable[object]] = store.append_event
        assert await append(make_event()) is None
        assert await store.get_events("ses_1") == numbered([make_event()])

    async def test_a_batch_is_numbered_in_the_order_given(
        self, store: SessionStore
    ) -> None:
        """
        Neither ids nor timestamps matter for the order.
        """
        events = [
            make_event(id=f"evt_{9 - n}", timestamp=NOON - timedelta(days=n))
            for n in range(5)
        ]
        stored = await store.append_events(events)
        assert stored == numbered(events)
        assert await store.get_events("ses_1") == stored

    async def test_numbers_go_on_from_call_to_call(self, store: SessionStore) -> None:
        """
        Batches and single events share one row of numbers.
        """
        await store.append_events(make_events(2))
        third = await store.append_event_with_sequence(make_event(id="evt_3"))
        await store.append_event(make_event(id="evt_4"))
        rest = await store.append_events(tuple(make_events(2, first=5)))
        assert [third.sequence_number, *numbers_of(rest)] == [3, 5, 6]
        assert numbers_of(await store.get_events("ses_1")) == [1, 2, 3, 4, 5, 6]

    async def test_numbers_go_on_from_store_to_store(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        The numbers belong to the database, not to a store.
        """
        await store.append_events(make_events(2))
        another = await open_store()
        await another.append_event(make_event(id="evt_3"))
        await store.append_event(make_event(id="evt_4"))
        for opened in (store, another):
            assert numbers_of(await opened.get_events("ses_1")) == [1, 2, 3, 4]
            assert await opened.get_latest_sequence("ses_1") == 4

    async def test_the_latest_number_of_an_empty_session_is_0(
        self, store: SessionStore
    ) -> None:
        """
        Zero means none yet; an unknown session has none either.
        """
        assert await store.get_latest_sequence("ses_1") == 0
        assert await store.get_latest_sequence("ses_unknown") == 0

    async def test_nothing_is_a_valid_batch(self, store: SessionStore) -> None:
        """
        Appending no events succeeds, whatever is expected, and uses no number.
        """
        assert await store.append_events([]) == []
        assert await store.append_events([], expected_sequence=7) == []
        assert await store.get_latest_sequence("ses_1") == 0

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_batch_of_several_sessions_numbers_each_by_itself(
        self, store: SessionStore
    ) -> None:
        """
        Each session gets one block; the stored events come back in the order given.
        """
        await store.save_session(make_session(id="ses_2"))
        await store.append_event(make_event(id="evt_0", session_id="ses_2"))
        owners = ["ses_2", "ses_1", "ses_1", "ses_2", "ses_1"]
        batch = [
            make_event(id=f"evt_{n}", session_id=owner)
            for n, owner in enumerate(owners, start=1)
        ]
        stored = await store.append_events(batch)
        assert [event.id for event in stored] == [event.id for event in batch]
        assert numbers_of(stored) == [2, 1, 2, 3, 3]

    async def test_a_big_batch_is_one_block(self, store: SessionStore) -> None:
        """
        A batch may be far longer than a statement's parameters; so may its repetition.
        """
        events = make_events(_MANY)
        stored = await store.append_events(events)
        assert stored == numbered(events)
        assert await store.append_events(events) == stored
        assert await store.get_events("ses_1") == stored

    async def test_types_of_the_application_are_stored(
        self, store: SessionStore
    ) -> None:
        """
        All known types come back as EventType, dotted ones as the text they are.
        """
        kinds = [*EventType, "myapp.plan_revised"]
        events = [make_event(id=f"evt_{kind}", type=kind) for kind in kinds]
        await store.append_events(events)
        for event, kind in zip(await store.get_events("ses_1"), kinds, strict=True):
            assert type(event.type) is type(kind)
            assert event.type == kind

    async def test_a_run_id_is_not_looked_up(self, store: SessionStore) -> None:
        """
        An event may name a run that is not stored.
        """
        event = make_event(run_id="run_nowhere")
        assert await store.append_event_with_sequence(event) == numbered([event])[0]

    async def test_an_append_to_an_unknown_session_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        There are no orphans: the error names the session and nothing is stored.
        """
        orphan = make_event(session_id="ses_unknown")
        for call in (store.append_event, store.append_event_with_sequence):
            with pytest.raises(SessionNotFoundError) as caught:
                await call(orphan)
            assert caught.value.session_id == "ses_unknown"
        with pytest.raises(SessionNotFoundError):
            await store.append_events([orphan])
        assert await store.get_events("ses_unknown") == []
        assert await store.get_latest_sequence("ses_unknown") == 0

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_batch_is_stored_whole_or_not_at_all(
        self, store: SessionStore
    ) -> None:
        """
        One event for an unknown session keeps all others of its batch out.
        """
        orphan = make_event(id="evt_3", session_id="ses_unknown")
        with pytest.raises(SessionNotFoundError):
            await store.append_events([*make_events(2), orphan])
        assert await store.get_events("ses_1") == []

    async def test_an_event_that_carries_a_number_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        Numbers are the store's to give; what stands beside it in the batch stays out.
        """
        counterfeit = make_event(id="evt_2", sequence_number=7)
        with pytest.raises(ValidationError, match="sequence number"):
            await store.append_events([make_event(), counterfeit])
        with pytest.raises(ValidationError, match="sequence number"):
            await store.append_event(counterfeit)
        assert await store.get_events("ses_1") == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_batch_may_have_so_many_sessions_and_no_more(
        self, store: SessionStore
    ) -> None:
        """
        One session too many is refused before any is looked up.
        """
        batch = [
            make_event(session_id=f"no_{n}") for n in range(MAX_SESSIONS_PER_BATCH)
        ]
        with pytest.raises(SessionNotFoundError):
            await store.append_events(batch)
        with pytest.raises(ValidationError, match="sessions"):
            await store.append_events([*batch, make_event()])

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_failed_append_uses_no_number(self, store: SessionStore) -> None:
        """
        Whatever the reason of the refusal, the next append gets the next number.
        """
        await store.append_event(make_event())
        refused = [
            (EventConflictError, make_event(data={"content": "other"})),
            (SessionNotFoundError, make_event(session_id="ses_unknown")),
            (ValidationError, make_event(id="evt_9", sequence_number=2)),
        ]
        for number, (reason, bad) in enumerate(refused, start=2):
            with pytest.raises(reason):
                await store.append_events([make_event(id="evt_x"), bad])
            good = make_event(id=f"evt_{number}")
            stored = await store.append_event_with_sequence(good)
            assert stored.sequence_number == number
        assert numbers_of(await store.get_events("ses_1")) == [1, 2, 3, 4]
