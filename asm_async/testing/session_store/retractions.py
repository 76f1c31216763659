"""
Events that are hidden from readers, and what stands in their place.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    SequenceConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.retraction import RETRACTIONS

__all__ = ["TestRetractions"]

_COUNT = 10


class TestRetractions(SessionStoreContract):
    """
    A retraction is an event: the log grows, and readers see less of it.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def events(self, store: SessionStore) -> list[Event]:
        """
        Store a session with events that are numbered 1 to 10.
        """
        await store.save_session(make_session())
        return await store.append_events(make_events(_COUNT))

    async def test_a_retraction_and_its_replacement_stand_in_one_block(
        self, store: SessionStore, events: list[Event]
    ) -> None:
        """
        The events themselves stay as they are, with their numbers.
        """
        told, *others = await store.retract_events(
            "ses_1", first=3, last=5, replacement=make_events(2, first=11)
        )
        assert (told.type, told.correlation_id) == (EVENTS_RETRACTED, RETRACTIONS)
        assert told.data == {"first": 3, "last": 5, "hidden": [[3, 5]]}
        assert numbers_of([told, *others]) == [11, 12, 13]
        assert [event.id for event in others] == ["evt_11", "evt_12"]
        assert await store.get_events("ses_1") == [*events, told, *others]
        assert await store.get_events("ses_1", type=EVENTS_RETRACTED) == [told]
        visible = await store.get_events("ses_1", visible_only=True)
        assert visible == [*events[:2], *events[5:], *others]

    async def test_the_latest_retraction_names_all_that_is_hidden(
        self, store: SessionStore
    ) -> None:
        """
        Its ranges are merged where they touch, also with what was hidden before.
        """
        for first, last, hidden in (
            (8, 8, [[8, 8]]),
            (2, 3, [[2, 3], [8, 8]]),
            (6, 6, [[2, 3], [6, 6], [8, 8]]),
            (7, 7, [[2, 3], [6, 8]]),
            (3, 5, [[2, 8]]),
            (2, 12, [[2, 12]]),
            (4, 5, [[2, 12]]),
        ):
            (told,) = await store.retract_events("ses_1", first=first, last=last)
            assert told.data == {"first": first, "last": last, "hidden": hidden}
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [1]
        await store.append_event(make_event(id="evt_11"))
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [1, 18]

    async def test_concurrent_retractions_lose_nothing_of_each_other(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Each names the ranges of those that came before it as well, from any store.
        """
        stores = [store, await open_store(), await open_store()]
        written = await run_together(
            each.retract_events(
                "ses_1",
                first=number,
                last=number,
                replacement=make_events(2, first=100 * number),
            )
            for each, number in zip(
                stores * 3, (2, 4, 6, 8, 10, 3, 1, 7, 9), strict=True
            )
        )
        in_order = sorted(written, key=lambda events: events[0].sequence_number)
        numbers = [number for events in in_order for number in numbers_of(events)]
        assert numbers == list(range(_COUNT + 1, _COUNT + 28))
        assert in_order[-1][0].data["hidden"] == [[1, 4], [6, 10]]
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible)[0] == 5
        assert len(visible) == 19

    async def test_of_those_who_expect_one_number_one_wins(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        The others are told where the session is, and have written nothing.
        """
        stores = [store, await open_store()] * 3
        outcomes = await race(
            each.retract_events("ses_1", first=10, last=10, expected_sequence=_COUNT)
            for each in stores
        )
        lost = [one for one in outcomes if isinstance(one, SequenceConflictError)]
        assert len(lost) == len(stores) - 1
        assert {error.actual for error in lost} == {_COUNT + 1}
        assert await store.get_latest_sequence("ses_1") == _COUNT + 1

    async def test_appends_beside_it_tear_no_block(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        What others append at the same moment stands before the block or behind it.
        """
        other = await open_store()
        appends = [
            each.append_events(make_events(3, first=first))
            for each, first in ((store, 100), (other, 200), (store, 300), (other, 400))
        ]
        retraction = store.retract_events(
            "ses_1", first=1, last=2, replacement=make_events(2, first=11)
        )
        for block in await run_together([*appends, retraction]):
            numbers = numbers_of(block)
            assert numbers == list(range(numbers[0], numbers[0] + 3))
        assert numbers_of(await store.get_events("ses_1")) == list(range(1, 26))

    async def test_the_same_operation_retracts_once(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        From whatever store it comes again, what it has written comes back.
        """
        other = await open_store()
        for expected in (None, _COUNT + 2):
            operation_id = f"op_{expected}"
            replacement = [make_event(id=f"new_{expected}")]
            written = await store.retract_events(
                "ses_1",
                first=4,
                last=6,
                replacement=replacement,
                expected_sequence=expected,
                operation_id=operation_id,
            )
            assert written[0].id == operation_id
            latest = await store.get_latest_sequence("ses_1")
            for again in (store, other):
                assert written == await again.retract_events(
                    "ses_1",
                    first=4,
                    last=6,
                    replacement=replacement,
                    expected_sequence=expected,
                    operation_id=operation_id,
                )
            assert await store.get_latest_sequence("ses_1") == latest
        latest = await store.get_latest_sequence("ses_1")
        outcomes = await run_together(
            each.retract_events("ses_1", first=1, last=1, operation_id="op")
            for each in (store, other, store, other)
        )
        assert outcomes.count(outcomes[0]) == len(outcomes)
        assert await store.get_latest_sequence("ses_1") == latest + 1

    async def test_an_operation_may_not_retract_something_else(
        self, store: SessionStore
    ) -> None:
        """
        An id that was used for other events, or is an event's, is refused.
        """
        replacement = make_events(2, first=11)
        await store.retract_events(
            "ses_1", first=2, last=3, replacement=replacement, operation_id="op"
        )
        before = await store.get_events("ses_1")
        for operation_id, last, events in (
            ("op", 4, replacement),
            ("op", 3, make_events(3, first=11)),
            ("op", 3, replacement[::-1]),
            ("op", 3, [make_event(id="evt_11", data={}), replacement[1]]),
            ("evt_1", 3, ()),
        ):
            with pytest.raises(ConflictError, match="operation_id: ") as caught:
                await store.retract_events(
                    "ses_1",
                    first=2,
                    last=last,
                    replacement=events,
                    operation_id=operation_id,
                )
            assert type(caught.value) is ConflictError
        assert await store.get_events("ses_1") == before

    async def test_a_replacement_is_made_of_new_events(
        self, store: SessionStore
    ) -> None:
        """
        One that is stored would be hidden or stand elsewhere; nothing is written.
        """
        for event, kind, field in (
            (make_event(id="evt_2"), ConflictError, "evt_2"),
            (make_event(id="evt_2", data={}), EventConflictError, "data"),
        ):
            with pytest.raises(ConflictError, match=field) as caught:
                await store.retract_events(
                    "ses_1",
                    first=1,
                    last=5,
                    replacement=[make_event(id="evt_11"), event],
                )
            assert type(caught.value) is kind
        assert await store.get_latest_sequence("ses_1") == _COUNT

    async def test_what_cannot_be_retracted_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        The error names the argument, and nothing is written.
        """
        await store.save_session(make_session(id="ses_2"))
        (stored,) = await store.get_events("ses_1", last=1)
        cases: list[tuple[dict[str, Any], str]] = [
            ({"first": 0, "last": 1}, "first: expected at least 1"),
            ({"first": 1, "last": 0}, "last: expected at least 1"),
            ({"first": 1.0, "last": 1}, "first: expected a whole number"),
            ({"first": 3, "last": 2}, "first: expected at most 2"),
            ({"replacement": [make_event(session_id="ses_2")]}, r"replacement\[0\]\.s"),
            ({"replacement": [stored]}, r"replacement\[0\]: 'evt_10' has the"),
            ({"replacement": make_event()}, "replacement: expected a list"),
            (
                {"replacement": [make_event(id="x"), make_event(id="x")]},
                r"replacement\[1\]\.id: 'x'",
            ),
            (
                {"replacement": [make_event(id="op")], "operation_id": "op"},
                r"replacement\[0\]\.id: 'op'",
            ),
            ({"operation_id": ""}, "operation_id: expected 1 to 255"),
            ({"expected_sequence": -1}, "expected_sequence: "),
        ]
        for changes, complaint in cases:
            arguments: dict[str, Any] = {"first": 1, "last": 2}
            with pytest.raises(ValidationError, match=f"^{complaint}"):
                await store.retract_events("ses_1", **(arguments | changes))
        with pytest.raises(
            ConflictError, match=r"is at sequence number 10: .* no event 11"
        ):
            await store.retract_events("ses_1", first=1, last=11)
        with pytest.raises(ConflictError, match="is at sequence number 0"):
            await store.retract_events("ses_2", first=1, last=1)
        assert await store.get_latest_sequence("ses_1") == _COUNT

    async def test_a_session_that_is_not_there_has_nothing_to_retract(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        A soft-deleted one can be read, as it was, but not rewound.
        """
        with pytest.raises(SessionNotFoundError):
            await store.retract_events("ses_2", first=1, last=1)
        assert await store.get_events("ses_2", visible_only=True) == []
        await store.retract_events("ses_1", first=1, last=9)
        await backend.soft_delete("ses_1")
        with pytest.raises(SessionDeletedError):
            await store.retract_events("ses_1", first=10, last=10)
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [10]

    async def test_nobody_appends_a_retraction_by_hand(
        self, store: SessionStore
    ) -> None:
        """
        What is hidden is for the store to say, by whatever way an event comes in.
        """
        (told,) = await store.retract_events("ses_1", first=1, last=1)
        forged = attrs.evolve(told, id="evt_11", sequence_number=0)
        usual = make_event(id="evt_12")
        complaint = "type: 'asm.events_retracted' is written by retract_events"
        for call in (
            store.append_event(forged),
            store.append_event_with_sequence(forged),
            store.append_events([usual, forged]),
            store.flush(ExecutionResult(session=make_session(), events=(forged,))),
            store.retract_events("ses_1", first=2, last=2, replacement=[forged]),
        ):
            with pytest.raises(ValidationError, match=complaint):
                await call
        assert await store.get_latest_sequence("ses_1") == told.sequence_number
        # An event that only looks like one hides nothing.
        await store.append_event(
            make_event(
                id="evt_13", data={"hidden": [[2, 9]]}, correlation_id=RETRACTIONS
            )
        )
        visible = await store.get_events("ses_1", visible_only=True)
        assert numbers_of(visible) == [*range(2, 11), 12]
