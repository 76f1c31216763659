"""
Saves and flushes that come again, and others that only look like them.
"""

from __future__ import annotations

from typing import ClassVar

import attrs
import pytest

from asm_async.errors import (
    ConflictError,
    RevisionConflictError,
    SequenceConflictError,
    SessionDeletedError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.session import SessionStatus

__all__ = ["TestOperationIds"]


class TestOperationIds(SessionStoreContract):
    """
    An operation is known by its id, for as long as nobody else has saved since.
    """

    _EXPECTATIONS: ClassVar[list[int | None]] = [None, 0]

    async def test_the_same_operation_saves_once(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        From whatever store it comes again, what is stored comes back unchanged.
        """
        other = await open_store()
        for number, expected in enumerate(self._EXPECTATIONS):
            session = make_session(id=f"ses_{number}")
            run = make_run(id=f"run_{number}", session_id=session.id)
            first, first_run = (
                await store.save_session(
                    session, expected_revision=expected, operation_id="op"
                ),
                await store.save_run(run, expected_revision=expected, operation_id="o"),
            )
            for again in (store, other):
                assert first == await again.save_session(
                    session, expected_revision=expected, operation_id="op"
                )
                assert first_run == await again.save_run(
                    run, expected_revision=expected, operation_id="o"
                )
            assert await store.get_session(session.id) == first
            assert await store.get_run(run.id) == first_run

    async def test_an_operation_may_not_save_something_else(
        self, store: SessionStore
    ) -> None:
        """
        An id that was used for other content is refused, and named.
        """
        session = await store.save_session(make_session(), operation_id="op_s")
        run = await store.save_run(make_run(), operation_id="op_r")
        for expected in (None, 0, 1):
            with pytest.raises(ConflictError, match="operation_id: 'op_s'") as caught:
                await store.save_session(
                    make_session(agent_id="other"),
                    expected_revision=expected,
                    operation_id="op_s",
                )
            assert type(caught.value) is ConflictError
            with pytest.raises(ConflictError, match="operation_id: 'op_r'"):
                await store.save_run(
                    make_run(turn_count=1),
                    expected_revision=expected,
                    operation_id="op_r",
                )
        assert await store.get_session("ses_1") == session
        assert await store.get_run("run_1") == run

    async def test_an_operation_that_was_overtaken_is_forgotten(
        self, store: SessionStore
    ) -> None:
        """
        Once another has saved, its expectation is not met any more.
        """
        await store.save_session(
            make_session(), expected_revision=0, operation_id="op_1"
        )
        await store.save_session(make_session(), operation_id="op_2")
        with pytest.raises(RevisionConflictError) as caught:
            await store.save_session(
                make_session(), expected_revision=0, operation_id="op_1"
            )
        assert caught.value.actual == 2

    async def test_an_operation_does_not_outlive_its_session(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        A soft-deleted session keeps it out; after a removal it saves a new session.
        """
        result = make_execution_result()
        await store.flush(result, operation_id="op")
        await backend.soft_delete("ses_1")
        with pytest.raises(SessionDeletedError):
            await store.flush(result, operation_id="op")
        await store.delete_session("ses_1")
        again = await store.flush(result, operation_id="op")
        assert (session_of(again).revision, run_of(again).revision) == (2, 2)

    async def test_the_same_operation_flushes_once(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        With whatever expectation: nothing is written, and what is stored comes back.
        """
        other = await open_store()
        results = [
            make_execution_result(),
            make_execution_result(events=make_events(2, first=3), run=None),
            ExecutionResult(
                run=make_run(turn_count=1), events=(make_event(id="evt_5"),)
            ),
            make_execution_result(events=()),
        ]
        for number, result in enumerate(results):
            operation_id = f"op_{number}"
            latest = await store.get_latest_sequence("ses_1")
            expected = None if result.session is None else number - (number > 2)
            first = await store.flush(
                result,
                expected_sequence=latest,
                expected_revision=expected,
                operation_id=operation_id,
            )
            for again in (store, other):
                assert first == await again.flush(
                    result,
                    expected_sequence=latest,
                    expected_revision=expected,
                    operation_id=operation_id,
                )
        session, run = await store.get_session("ses_1"), await store.get_run("run_1")
        assert (session.revision, run.revision) == (3, 3)
        assert await store.get_latest_sequence("ses_1") == 5

    async def test_a_flush_is_known_by_what_is_left_of_it(
        self, store: SessionStore
    ) -> None:
        """
        Where another has saved session or run since, what is stored now is given back.
        """
        result = make_execution_result()
        await store.flush(result, operation_id="op_1")
        session = await store.save_session(make_session(agent_id="other"))
        again = await store.flush(result, expected_sequence=0, operation_id="op_1")
        assert session_of(again) == session
        result = attrs.evolve(result, session=make_session(tags=("a",)))
        await store.flush(result, operation_id="op_2")
        run = await store.save_run(make_run(turn_count=5))
        again = await store.flush(result, expected_revision=2, operation_id="op_2")
        assert run_of(again) == run
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_a_flush_may_not_store_something_else(
        self, store: SessionStore
    ) -> None:
        """
        Other content of any part, or more events, are another operation's.
        """
        result = make_execution_result()
        before = await store.flush(result, operation_id="op")
        for other in (
            attrs.evolve(result, session=make_session(agent_id="other")),
            attrs.evolve(result, run=make_run(turn_count=1)),
            attrs.evolve(result, run=make_run(id="run_2")),
            attrs.evolve(result, events=tuple(make_events(3, run_id="run_1"))),
        ):
            with pytest.raises(ConflictError, match="operation_id: 'op'"):
                await store.flush(other, operation_id="op")
        assert await store.get_session("ses_1") == before.session
        assert await store.list_runs("ses_1") == [before.run]
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_equal_content_of_another_flush_is_a_conflict(
        self, store: SessionStore
    ) -> None:
        """
        Who expects a revision is not told that another's flush was its own.
        """
        result = make_execution_result()
        await store.flush(result, expected_revision=0, expected_sequence=0)
        for operation_id in (None, "mine"):
            with pytest.raises(RevisionConflictError) as caught:
                await store.flush(
                    result,
                    expected_revision=0,
                    expected_sequence=0,
                    operation_id=operation_id,
                )
            assert caught.value.actual == 1

    async def test_a_flush_expects_the_revision_of_its_session(
        self, store: SessionStore
    ) -> None:
        """
        What another saved meanwhile is not undone, though the number is as expected.
        """
        seen = session_of(await store.flush(make_execution_result()))
        theirs = await store.save_session(attrs.evolve(seen, metadata={"by": "them"}))
        later = make_execution_result(
            session=seen.update_status(SessionStatus.COMPLETED),
            run=make_run(turn_count=1),
            events=make_events(1, first=3),
        )
        with pytest.raises(RevisionConflictError, match="ses_1") as caught:
            await store.flush(
                later, expected_sequence=2, expected_revision=seen.revision
            )
        assert (caught.value.expected, caught.value.actual) == (1, 2)
        assert await store.get_session("ses_1") == theirs
        assert (await store.get_run("run_1")).turn_count == 0
        assert await store.get_latest_sequence("ses_1") == 2
        with pytest.raises(SequenceConflictError):
            await store.flush(later, expected_sequence=1, expected_revision=2)
        flushed = await store.flush(later, expected_sequence=2, expected_revision=2)
        assert session_of(flushed).revision == 3

    async def test_an_id_that_cannot_be_one_is_refused(
        self, store: SessionStore
    ) -> None:
        """
        It is a text of 1 to 255 characters.
        """
        for wrong in ("", "x" * 256, "a\0b"):
            for call in (
                store.save_session(make_session(), operation_id=wrong),
                store.save_run(make_run(), operation_id=wrong),
                store.flush(make_execution_result(), operation_id=wrong),
            ):
                with pytest.raises(ValidationError, match=r"^operation_id: "):
                    await call
