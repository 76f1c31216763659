"""
Items that go with a session.
"""

from __future__ import annotations

import pytest

from asm_async.errors import SessionDeletedError, SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import StateStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import race
from asm_async.testing.factories import make_event, make_item, make_session
from asm_async.testing.state_store.contract import StateStoreContract, keys_of

__all__ = ["TestItemSessions"]

# More than one transaction removes.
_MANY = 1_200


@needs(Capability.SPANS_SESSIONS)
@pytest.mark.usefixtures("session")
class TestItemSessions(StateStoreContract):
    """
    An item of a session needs it to be live, and goes with it.
    """

    async def test_an_item_needs_a_live_session(
        self, state: StateStore, backend: StateStoreBackend
    ) -> None:
        """
        Else all of the call is refused, also where existing items are kept.
        """
        stored = await state.save_items([make_item(session_id="ses_1")])
        await backend.soft_delete("ses_1")
        for session_id, refusal in (
            ("ses_1", SessionDeletedError),
            ("ses_none", SessionNotFoundError),
        ):
            items = [make_item(key="size"), make_item(session_id=session_id)]
            for keep_existing in (False, True):
                with pytest.raises(refusal, match=session_id):
                    await state.save_items(items, keep_existing=keep_existing)
        assert await state.list_items("app/user") == stored
        await backend.restore("ses_1")
        await state.save_items([make_item(session_id="ses_1")])

    async def test_items_go_with_their_session(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        When it is deleted for good; those of others, and of none, stay.
        """
        await store.save_session(make_session(id="ses_2"))
        await state.save_items(
            [
                make_item(key="1", session_id="ses_1"),
                make_item(key="2", session_id="ses_2"),
                make_item(key="3"),
                make_item(scope="other", session_id="ses_1"),
            ]
        )
        await store.delete_session("ses_1")
        assert keys_of(await state.list_items("app/user")) == ["2", "3"]
        assert await state.list_items("other") == []
        with pytest.raises(SessionNotFoundError):
            await state.save_items([make_item(session_id="ses_1")])

    async def test_many_items_go_with_their_session(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Also those that are not removed in one transaction.
        """
        await state.save_items(
            [make_item(key=f"{n:04}", session_id="ses_1") for n in range(_MANY)]
        )
        await store.delete_session("ses_1")
        assert await state.list_items("app/user") == []

    async def test_a_session_that_comes_back_has_no_items(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Its new items have higher revisions than the old ones.
        """
        (old,) = await state.save_items([make_item(session_id="ses_1")])
        await store.delete_session("ses_1")
        await store.save_session(make_session())
        assert await state.list_items("app/user") == []
        (new,) = await state.save_items([make_item(session_id="ses_1")])
        assert new.revision > old.revision

    async def test_an_item_can_change_its_session(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Then it goes with the new one, or with none.
        """
        await store.save_session(make_session(id="ses_2"))
        for key in "12":
            await state.save_items([make_item(key=key, session_id="ses_1")])
        await state.save_items(
            [make_item(key="1", session_id="ses_2"), make_item(key="2")]
        )
        await store.delete_session("ses_1")
        assert keys_of(await state.list_items("app/user")) == ["1", "2"]
        await store.delete_session("ses_2")
        assert keys_of(await state.list_items("app/user")) == ["2"]

    async def test_items_of_a_soft_deleted_session_can_be_read_and_deleted(
        self, state: StateStore, backend: StateStoreBackend
    ) -> None:
        """
        They stay when it is soft-deleted, and need not.
        """
        stored = await state.save_items(
            [make_item(key=key, session_id="ses_1") for key in "ab"]
        )
        await backend.soft_delete("ses_1")
        assert await state.list_items("app/user") == stored
        assert await state.delete_items("app/user", keys=["a"]) == 1

    @needs(Capability.SPANS_SESSIONS, is_caught=True)
    async def test_items_beside_appends_and_a_deletion_leave_nothing(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Whatever is saved beside the deletion is gone with the session, or refused.
        """
        for turn in range(4):
            outcomes = await race(
                [
                    *(
                        state.save_items(
                            [make_item(key=f"{turn}-{n}", session_id="ses_1")]
                        )
                        for n in range(8)
                    ),
                    *(store.append_events([make_event(id=f"e{n}")]) for n in range(4)),
                    store.delete_session("ses_1"),
                ]
            )
            refused = [each for each in outcomes if isinstance(each, Exception)]
            assert all(isinstance(each, SessionNotFoundError) for each in refused)
            assert await state.list_items("app/user") == []
            await store.save_session(make_session())
