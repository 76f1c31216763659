"""
Saving sessions and runs with an expected revision.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import (
    RevisionConflictError,
    RunNotFoundError,
    SessionNotFoundError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import make_run, make_session
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.session import Session

__all__ = ["TestExpectedRevisions"]


class TestExpectedRevisions(SessionStoreContract):
    """
    A save that expects revision n succeeds only where n is stored; 0 means nothing is.
    """

    async def test_a_session_is_saved_where_the_revision_is_the_expected_one(
        self, store: SessionStore
    ) -> None:
        """
        From "not stored yet" on, each save gives the revision that the next expects.
        """
        for revision in range(3):
            session = make_session(agent_id=f"agent_{revision}", revision=9)
            stored = await store.save_session(session, expected_revision=revision)
            assert stored == attrs.evolve(session, revision=revision + 1)

    async def test_another_revision_of_a_session_is_a_conflict(
        self, store: SessionStore
    ) -> None:
        """
        Lower or higher, the error carries the actual revision and nothing is stored.
        """
        await store.save_session(make_session())
        stored = await store.save_session(make_session(agent_id="second"))
        for expected in (0, 1, 3):
            with pytest.raises(RevisionConflictError, match="ses_1") as caught:
                await store.save_session(
                    make_session(agent_id="third"), expected_revision=expected
                )
            assert (caught.value.expected, caught.value.actual) == (expected, 2)
        assert await store.get_session("ses_1") == stored

    async def test_a_session_that_is_not_stored_has_revision_0(
        self, store: SessionStore
    ) -> None:
        """
        Anyone who expects a revision of an unknown session creates none.
        """
        with pytest.raises(RevisionConflictError) as caught:
            await store.save_session(make_session(), expected_revision=1)
        assert caught.value.actual == 0
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")

    async def test_the_same_content_of_a_session_does_not_meet_an_expectation(
        self, store: SessionStore
    ) -> None:
        """
        Another call that saves what is stored already is told that it was too late.
        """
        for revision in range(2):
            session = make_session(agent_id=f"agent_{revision}", revision=revision)
            first = await store.save_session(session, expected_revision=revision)
            with pytest.raises(RevisionConflictError) as caught:
                await store.save_session(session, expected_revision=revision)
            assert caught.value.actual == first.revision == revision + 1
            assert await store.get_session("ses_1") == first

    async def test_a_run_is_saved_where_the_revision_is_the_expected_one(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        From "not stored yet" on, each save gives the revision that the next expects.
        """
        for revision in range(3):
            run = make_run(session_id=session.id, turn_count=revision, revision=9)
            stored = await store.save_run(run, expected_revision=revision)
            assert stored == attrs.evolve(run, revision=revision + 1)

    @pytest.mark.usefixtures("session")
    async def test_another_revision_of_a_run_is_a_conflict(
        self, store: SessionStore
    ) -> None:
        """
        Lower or higher, the error carries the actual revision and nothing is stored.
        """
        await store.save_run(make_run())
        stored = await store.save_run(make_run(turn_count=2))
        for expected in (0, 1, 3):
            with pytest.raises(RevisionConflictError, match="run_1") as caught:
                await store.save_run(make_run(turn_count=3), expected_revision=expected)
            assert (caught.value.expected, caught.value.actual) == (expected, 2)
        assert await store.get_run("run_1") == stored

    @pytest.mark.usefixtures("session")
    async def test_a_run_that_is_not_stored_has_revision_0(
        self, store: SessionStore
    ) -> None:
        """
        Anyone who expects a revision of an unknown run creates none.
        """
        with pytest.raises(RevisionConflictError) as caught:
            await store.save_run(make_run(), expected_revision=1)
        assert caught.value.actual == 0
        with pytest.raises(RunNotFoundError):
            await store.get_run("run_1")

    @pytest.mark.usefixtures("session")
    async def test_the_same_content_of_a_run_does_not_meet_an_expectation(
        self, store: SessionStore
    ) -> None:
        """
        Another call that saves what is stored already is told that it was too late.
        """
        for revision in range(2):
            run = make_run(turn_count=revision, revision=revision)
            first = await store.save_run(run, expected_revision=revision)
            with pytest.raises(RevisionConflictError) as caught:
                await store.save_run(run, expected_revision=revision)
            assert caught.value.actual == first.revision == revision + 1
            assert await store.get_run("run_1") == first
