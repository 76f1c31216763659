"""
Saving and getting sessions.
"""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from asm_async.errors import (
    InvalidTransitionError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import NOON, make_events, make_run, make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.session import Session, SessionStatus

__all__ = ["TestSessions"]


def full_session() -> Session:
    """
    Make a session without a field at its default, but for those the store gives.
    """
    return make_session(
        tenant_id="tenant_1",
        parent_session_id="ses_0",
        status=SessionStatus.ACTIVE,
        metadata={"channel": "mail"},
        context={"system_prompt": "Be brief."},
        tags=("urgent", "billing"),
        updated_at=NOON + timedelta(microseconds=1),
    )


class TestSessions(SessionStoreContract):
    """
    What is saved under an id comes back under that id.
    """

    async def test_an_adapter_satisfies_the_port(self, store: SessionStore) -> None:
        """
        A store is a SessionStore, also for isinstance().
        """
        assert isinstance(store, SessionStore)

    async def test_a_new_session_is_stored_as_given(self, store: SessionStore) -> None:
        """
        Every field comes back as it was given, with revision 1.
        """
        stored = await store.save_session(full_session())
        assert stored == attrs.evolve(full_session(), revision=1)
        assert await store.get_session("ses_1") == stored

    async def test_what_one_store_saves_another_sees(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Two stores on one database show the same sessions.
        """
        saved = await store.save_session(make_session())
        assert await (await open_store()).get_session("ses_1") == saved

    async def test_saving_again_replaces_every_field(self, store: SessionStore) -> None:
        """
        Nothing of the former value shines through, and the revision rises by one.
        """
        await store.save_session(full_session())
        plain = make_session(agent_id="other", status=SessionStatus.PAUSED)
        stored = await store.save_session(plain)
        assert stored == attrs.evolve(plain, revision=2)
        assert await store.get_session("ses_1") == stored

    async def test_saving_the_same_content_raises_the_revision(
        self, store: SessionStore
    ) -> None:
        """
        Each save counts, also one that changes nothing.
        """
        saved = [await store.save_session(make_session()) for _ in range(3)]
        assert [session.revision for session in saved] == [1, 2, 3]

    async def test_the_revision_of_the_given_value_counts_for_nothing(
        self, store: SessionStore
    ) -> None:
        """
        The store gives revisions, whatever the value to save carries.
        """
        first = await store.save_session(make_session(revision=41))
        second = await store.save_session(make_session(revision=0))
        assert [first.revision, second.revision] == [1, 2]

    async def test_saving_a_session_touches_neither_runs_nor_events(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        A session that is replaced keeps its runs, its events and its numbers.
        """
        run = await store.save_run(make_run())
        events = await store.append_events(make_events(2))
        await store.save_session(attrs.evolve(session, agent_id="other"))
        assert await store.list_runs("ses_1") == [run]
        assert await store.get_events("ses_1") == events
        assert await store.get_latest_sequence("ses_1") == 2

    async def test_a_parent_session_need_not_exist(self, store: SessionStore) -> None:
        """
        The parent is a remark, not a reference.
        """
        child = await store.save_session(make_session(parent_session_id="ses_nowhere"))
        assert child.parent_session_id == "ses_nowhere"

    async def test_a_value_that_carries_deleted_at_cannot_be_saved(
        self, store: SessionStore
    ) -> None:
        """
        Deletion is the store's to give; nothing is written.
        """
        with pytest.raises(ValidationError, match="deleted_at"):
            await store.save_session(make_session(deleted_at=NOON))
        with pytest.raises(SessionNotFoundError):
            await store.get_session("ses_1")

    async def test_getting_an_unknown_session_raises(self, store: SessionStore) -> None:
        """
        The error names the id that was asked for.
        """
        with pytest.raises(SessionNotFoundError) as caught:
            await store.get_session("ses_unknown")
        assert caught.value.session_id == "ses_unknown"

    async def test_a_new_session_may_begin_in_any_status(
        self, store: SessionStore
    ) -> None:
        """
        A session can be recorded after the fact.
        """
        for status in SessionStatus:
            session = make_session(id=f"ses_{status}", status=status)
            assert (await store.save_session(session)).status is status

    async def test_a_status_may_only_change_as_the_machine_allows(
        self, store: SessionStore
    ) -> None:
        """
        The stored status decides what may follow; a refused save changes nothing.
        """
        pairs = [(old, new) for old in SessionStatus for new in SessionStatus]
        for old, new in pairs:
            before = make_session(id=f"ses_{old}_{new}", status=old)
            stored = await store.save_session(before)
            after = attrs.evolve(before, status=new, agent_id="changed")
            if old.can_become(new):
                expected = await store.save_session(after)
                assert expected == attrs.evolve(after, revision=2)
            else:
                with pytest.raises(InvalidTransitionError, match=before.id) as caught:
                    await store.save_session(after)
                assert (caught.value.current, caught.value.wanted) == (old, new)
                expected = stored
            assert await store.get_session(before.id) == expected
