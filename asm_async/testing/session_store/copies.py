"""
Sessions that are forked: what comes along, and what stays.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import (
    ConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import Gate, SessionStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import race, run_together
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import Event

__all__ = ["TestCopies"]

_COUNT = 8
_FORK = make_session(id="fork", tags=("a", "b"), metadata={"title": "other way"})


def _moved(events: Sequence[Event], session_id: str = "fork") -> list[Event]:
    return [attrs.evolve(event, session_id=session_id) for event in events]


@needs(Capability.SPANS_SESSIONS)
class TestCopies(SessionStoreContract):
    """
    A copy has the same history up to a number, and then its own.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def events(self, store: SessionStore) -> list[Event]:
        """
        Store a session with a run and events that are numbered 1 to 8.
        """
        await store.save_session(make_session())
        await store.save_run(make_run())
        events = [
            attrs.evolve(event, data={"text": "é\0", "n": [10**30, 1.5, None]})
            for event in make_events(_COUNT, run_id="run_1", correlation_id="c")
        ]
        return await store.append_events(events)

    async def test_a_copy_has_the_events_up_to_a_number(
        self,
        store: SessionStore,
        open_store: OpenStore,
        events: list[Event],
        backend: SessionStoreBackend,
    ) -> None:
        """
        With ids, numbers, times and all they hold; then each goes its own way.
        """
        copied = await store.copy_session("ses_1", _FORK, through=5)
        expected = attrs.evolve(_FORK, parent_session_id="ses_1", revision=1)
        assert copied == expected
        for reader in (store, await open_store()):
            assert await reader.get_session("fork") == expected
            assert await reader.get_events("fork") == _moved(events[:5])
            assert await reader.get_latest_sequence("fork") == 5
        assert await store.list_runs("fork") == []
        (new,) = await store.append_events([make_event(id="new", session_id="fork")])
        (other,) = await store.append_events([make_event(id="other")])
        assert (new.sequence_number, other.sequence_number) == (6, 9)
        again = await store.append_events(
            _moved([attrs.evolve(events[0], sequence_number=0)])
        )
        assert again == _moved(events[:1])
        await store.delete_session("ses_1")
        assert await store.get_events("fork") == [*_moved(events[:5]), new]
        saved = await store.save_session(copied, expected_revision=1)
        assert saved.revision == 2
        assert (await backend.gates())["fork"] == Gate(6, 6, 0, "live")

    @pytest.mark.parametrize("through", [None, 0, 1, _COUNT])
    async def test_the_latest_number_is_where_a_copy_ends_unless_told(
        self, store: SessionStore, events: list[Event], through: int | None
    ) -> None:
        """
        Of no events at all a copy can be made as well, and of a copy another one.
        """
        await store.copy_session("ses_1", _FORK, through=through)
        expected = events if through is None else events[:through]
        assert await store.get_events("fork") == _moved(expected)
        second = make_session(id="second")
        copied = await store.copy_session("fork", second)
        assert copied.parent_session_id == "fork"
        assert await store.get_events("second") == _moved(expected, "second")

    async def test_what_was_pruned_of_the_source_is_pruned_of_the_copy(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Numbers stay what they were, also where the last ones are gone.
        """
        await backend.prune("ses_1", [1, 2, 5, 6])
        await store.copy_session("ses_1", _FORK, through=6)
        assert numbers_of(await store.get_events("fork")) == [3, 4]
        assert (await backend.gates())["fork"] == Gate(6, 2, 4, "live")
        await store.copy_session("ses_1", make_session(id="none"), through=2)
        assert (await backend.gates())["none"] == Gate(2, 0, 2, "live")
        (new,) = await store.append_events([make_event(id="new", session_id="none")])
        assert new.sequence_number == 3

    async def test_a_copy_hides_what_was_hidden_by_then(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        A retraction up to the number comes along; a later one is the source's own.
        """
        await store.retract_events("ses_1", first=2, last=3)
        await store.retract_events("ses_1", first=5, last=6)
        for through, visible in (
            (8, [1, 2, 3, 4, 5, 6, 7, 8]),
            (9, [1, 4, 5, 6, 7, 8]),
            (10, [1, 4, 7, 8]),
        ):
            fork = make_session(id=f"fork_{through}")
            await store.copy_session("ses_1", fork, through=through)
            read = await store.get_events(fork.id, visible_only=True)
            assert numbers_of(read) == visible
        (told,) = await store.retract_events("fork_9", first=8, last=8)
        assert told.data["hidden"] == [[2, 3], [8, 8]]
        # Without the first retraction nobody knows when these two were hidden.
        await backend.prune("ses_1", [9])
        with pytest.raises(
            UnsupportedOperationError, match="hidden at sequence number 9"
        ):
            await store.copy_session("ses_1", _FORK, through=9)
        await store.copy_session("ses_1", _FORK)
        read = await store.get_events("fork", visible_only=True)
        assert numbers_of(read) == [1, 4, 7, 8]
        await backend.prune("ses_1", [2, 3])
        last = make_session(id="last")
        await store.copy_session("ses_1", last, through=9)
        read = await store.get_events("last", visible_only=True)
        assert numbers_of(read) == [1, 4, 5, 6, 7, 8]

    async def test_the_same_operation_copies_once(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Until somebody saves the copy; what came to the source meanwhile stays there.
        """
        other = await open_store()
        copied = await store.copy_session("ses_1", _FORK, operation_id="op")
        await store.append_events([make_event(id="new")])
        for again in (store, other):
            assert copied == await again.copy_session("ses_1", _FORK, operation_id="op")
        assert await store.get_latest_sequence("fork") == _COUNT
        for target, operation_id in (
            (attrs.evolve(_FORK, tags=()), "op"),
            (_FORK, "another"),
            (_FORK, None),
        ):
            with pytest.raises(ConflictError) as caught:
                await store.copy_session("ses_1", target, operation_id=operation_id)
            assert type(caught.value) is ConflictError
        outcomes = await run_together(
            each.copy_session("ses_1", make_session(id="raced"), operation_id="r")
            for each in (store, other, store, other)
        )
        assert outcomes.count(outcomes[0]) == len(outcomes)
        await store.save_session(copied)
        with pytest.raises(ConflictError, match="exists already"):
            await store.copy_session("ses_1", _FORK, operation_id="op")

    @needs(Capability.SPANS_SESSIONS, is_caught=True)
    async def test_of_those_who_want_one_id_one_wins(
        self, store: SessionStore, open_store: OpenStore, events: list[Event]
    ) -> None:
        """
        Beside appends to the source; the copy is one moment of it.
        """
        stores = [store, await open_store()] * 3
        outcomes = await race(
            [
                *(each.copy_session("ses_1", _FORK) for each in stores),
                *(
                    each.append_event(make_event(id=f"new_{number}"))
                    for number, each in enumerate(stores)
                ),
            ]
        )
        lost = [one for one in outcomes if isinstance(one, ConflictError)]
        assert len(lost) == len(stores) - 1
        copied = await store.get_events("fork")
        numbers = numbers_of(copied)
        assert numbers == list(range(1, len(numbers) + 1))
        assert copied[:_COUNT] == _moved(events)
        assert copied == _moved((await store.get_events("ses_1"))[: len(copied)])

    async def test_an_id_that_was_a_sessions_is_refused(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Alive, soft-deleted or gone: its numbers may have been used for other events.
        """
        for id_ in ("alive", "deleted", "gone"):
            await store.save_session(make_session(id=id_))
        await backend.soft_delete("deleted")
        await store.delete_session("gone")
        before = await backend.gates()
        for id_ in ("alive", "deleted", "gone"):
            with pytest.raises(ConflictError, match=f"session '{id_}'"):
                await store.copy_session("ses_1", make_session(id=id_))
        assert await backend.gates() == before

    async def test_what_cannot_be_copied_is_refused(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        The error says why, and nothing is stored.
        """
        other = make_session(id="other", parent_session_id="ses_2")
        for target, through, complaint in (
            (make_session(), None, r"target\.id: 'ses_1' is the session to copy"),
            (other, None, r"target\.parent_session_id: expected 'ses_1'"),
            (make_session(id="x", deleted_at=_FORK.created_at), 1, "target: 'x'"),
            (_FORK, -1, "through: "),
        ):
            with pytest.raises(ValidationError, match=f"^{complaint}"):
                await store.copy_session("ses_1", target, through=through)
        with pytest.raises(
            ConflictError, match=r"is at sequence number 8: .* no event 9"
        ):
            await store.copy_session("ses_1", _FORK, through=9)
        with pytest.raises(SessionNotFoundError, match="ses_2"):
            await store.copy_session("ses_2", _FORK)
        await backend.soft_delete("ses_1")
        with pytest.raises(SessionDeletedError, match="ses_1"):
            await store.copy_session("ses_1", _FORK)
        assert [*await backend.gates()] == ["ses_1"]

    async def test_a_copy_stays_with_its_tenant(self, store: SessionStore) -> None:
        """
        Another's session is not found, and to hand one over is refused.
        """
        mine = make_session(id="mine", tenant_id="mine")
        await store.save_session(mine)
        theirs = attrs.evolve(_FORK, tenant_id="theirs")
        for target in (_FORK, theirs):
            with pytest.raises(ConflictError, match="belongs to tenant 'mine'"):
                await store.copy_session("mine", target)
        with pytest.raises(SessionNotFoundError, match="mine"):
            await store.copy_session("mine", theirs, expected_tenant="theirs")
        with pytest.raises(ValidationError, match=r"target\.tenant_id"):
            await store.copy_session("mine", _FORK, expected_tenant="mine")
        copied = await store.copy_session(
            "mine", attrs.evolve(_FORK, tenant_id="mine"), expected_tenant="mine"
        )
        assert copied.tenant_id == "mine"
        event = make_event(session_id="fork")
        with pytest.raises(SessionNotFoundError):
            await store.append_event(event, expected_tenant="theirs")
        await store.append_event(event, expected_tenant="mine")

    async def test_a_long_session_is_copied_while_others_write(
        self, store: SessionStore, open_store: OpenStore, backend: SessionStoreBackend
    ) -> None:
        """
        In order and without a hole, as of the moment when the copy began.
        """
        other = await open_store()
        await store.append_events(make_events(2_500, first=_COUNT + 1))
        await store.retract_events("ses_1", first=1, last=2_000)
        latest = await store.get_latest_sequence("ses_1")
        outcomes = await run_together(
            [
                store.copy_session("ses_1", _FORK, through=latest),
                *(
                    other.append_event_with_sequence(make_event(id=f"new_{number}"))
                    for number in range(20)
                ),
            ]
        )
        assert outcomes[0] == await store.get_session("fork")
        copied = await store.get_events("fork")
        assert numbers_of(copied) == list(range(1, latest + 1))
        assert copied == _moved(await store.get_events("ses_1", before=latest + 1))
        assert len(await store.get_events("fork", visible_only=True)) == latest - 2_001
        assert (await backend.gates())["fork"] == Gate(latest, latest, 0, "live")
