"""
Appending with an expected sequence number.
"""

from __future__ import annotations

import pytest

from asm_async.errors import (
    ConflictError,
    SequenceConflictError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import SessionStoreContract, numbers_of

__all__ = ["TestExpectedSequences"]


@pytest.mark.usefixtures("session")
class TestExpectedSequences(SessionStoreContract):
    """
    An append that expects n succeeds only where the session's latest number is n.
    """

    async def test_an_append_that_expects_the_latest_number_succeeds(
        self, store: SessionStore
    ) -> None:
        """
        The expectation of an empty session is 0.
        """
        first = await store.append_event_with_sequence(
            make_event(), expected_sequence=0
        )
        await store.append_event(make_event(id="evt_2"), expected_sequence=1)
        rest = await store.append_events(make_events(2, first=3), expected_sequence=2)
        assert [first.sequence_number, *numbers_of(rest)] == [1, 3, 4]

    async def test_another_latest_number_is_a_conflict(
        self, store: SessionStore
    ) -> None:
        """
        Lower or higher, the error carries the actual number and nothing is stored.
        """
        await store.append_events(make_events(2))
        for expected in (0, 1, 3):
            for call in (store.append_event, store.append_event_with_sequence):
                with pytest.raises(SequenceConflictError) as caught:
                    await call(make_event(id="evt_3"), expected_sequence=expected)
                error = caught.value
                assert error.session_id == "ses_1"
                assert (error.expected, error.actual) == (expected, 2)
            with pytest.raises(SequenceConflictError):
                await store.append_events(
                    make_events(2, first=3), expected_sequence=expected
                )
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_a_call_that_has_succeeded_succeeds_again(
        self, store: SessionStore
    ) -> None:
        """
        Stored directly behind the number, the events come back, whatever came after.
        """
        await store.append_event(make_event(id="evt_0"))
        stored = await store.append_events(make_events(3), expected_sequence=1)
        assert await store.append_events(make_events(3), expected_sequence=1) == stored
        await store.append_event(make_event(id="evt_9"))
        assert await store.append_events(make_events(3), expected_sequence=1) == stored
        again = await store.append_event_with_sequence(
            make_event(), expected_sequence=1
        )
        assert again == stored[0]
        assert await store.get_latest_sequence("ses_1") == 5

    async def test_a_repeated_batch_that_holds_an_event_twice_succeeds_again(
        self, store: SessionStore
    ) -> None:
        """
        One event in two places of the batch is stored once, and so it is found.
        """
        batch = [make_event(), make_event(), make_event(id="evt_2")]
        stored = await store.append_events(batch, expected_sequence=0)
        assert numbers_of(stored) == [1, 1, 2]
        assert await store.append_events(batch, expected_sequence=0) == stored

    async def test_events_stored_elsewhere_do_not_meet_the_expectation(
        self, store: SessionStore
    ) -> None:
        """
        Not directly behind it, in another order or not all: it was another call.
        """
        await store.append_events(make_events(3))
        one, two, three = make_events(3)
        other_calls = [
            (0, [two, three]),
            (0, [two, one]),
            (1, [three]),
            (1, [one, two]),
            (2, [three, make_event(id="evt_4")]),
        ]
        for expected, batch in other_calls:
            with pytest.raises(SequenceConflictError) as caught:
                await store.append_events(batch, expected_sequence=expected)
            assert caught.value.actual == 3
        assert await store.get_latest_sequence("ses_1") == 3

    async def test_stored_events_come_back_where_the_expectation_is_met(
        self, store: SessionStore
    ) -> None:
        """
        A batch may then repeat what is stored and bring new events.
        """
        await store.append_events(make_events(2))
        repeated = await store.append_events(make_events(2), expected_sequence=2)
        assert numbers_of(repeated) == [1, 2]
        mixed = await store.append_events(make_events(3), expected_sequence=2)
        assert numbers_of(mixed) == [1, 2, 3]

    async def test_other_content_under_a_stored_id_is_a_conflict(
        self, store: SessionStore
    ) -> None:
        """
        What is stored behind the number must be the very same events.
        """
        stored = await store.append_event_with_sequence(make_event())
        other = make_event(data={"content": "other"})
        for expected in (0, 1):
            with pytest.raises(ConflictError):
                await store.append_event(other, expected_sequence=expected)
        assert await store.get_events("ses_1") == [stored]

    async def test_an_expectation_needs_events_of_one_session(
        self, store: SessionStore
    ) -> None:
        """
        A number of several sessions says nothing; nothing is stored.
        """
        await store.save_session(make_session(id="ses_2"))
        batch = [make_event(), make_event(session_id="ses_2")]
        with pytest.raises(ValidationError, match="expected_sequence"):
            await store.append_events(batch, expected_sequence=0)
        assert await store.get_events("ses_1") == []
        assert await store.get_events("ses_2") == []

    async def test_an_expectation_creates_no_session(self, store: SessionStore) -> None:
        """
        Expecting 0 of an unknown session does not bring it into being.
        """
        with pytest.raises(SessionNotFoundError):
            await store.append_event(
                make_event(session_id="ses_unknown"), expected_sequence=0
            )
