"""
Listing sessions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import attrs

from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import NOON, make_session
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.session import Session, SessionStatus

__all__ = ["TestSessionLists"]

# In the order of their code points. Any language's order would have "B" behind "a", and
# UTF-16's would have U+1F600 before U+FFFD.
_IDS_IN_ORDER = ("0", "B", "a", "a ", "ab", "b", "\u00e9", "\ufffd", "\U0001f600")


def ids_of(sessions: Iterable[Session]) -> list[str]:
    """
    Return the ids of *sessions*, in their order.
    """
    return [session.id for session in sessions]


async def save_a_crowd(store: SessionStore) -> None:
    """
    Store the sessions ``ses_1`` to ``ses_8``, of all kinds, a second apart.
    """
    for number in range(8):
        session = make_session(
            id=f"ses_{number + 1}",
            created_at=NOON + timedelta(seconds=number),
            status=SessionStatus.ACTIVE if number & 1 else SessionStatus.PENDING,
            agent_id="writer" if number & 2 else "reader",
            tenant_id="tenant_1" if number & 4 else None,
            user_id="user_1" if number & 5 == 5 else None,
        )
        await store.save_session(session)


class TestSessionLists(SessionStoreContract):
    """
    Lists hold what matches, all of it, in one stated order.
    """

    async def test_an_empty_store_lists_nothing(self, store: SessionStore) -> None:
        """
        Without sessions the list is empty.
        """
        assert await store.list_sessions() == []

    async def test_sessions_come_in_the_order_they_were_created(
        self, store: SessionStore
    ) -> None:
        """
        The time of creation decides, to the microsecond, not that of saving.
        """
        for number in (2, 0, 3, 1):
            created_at = NOON + timedelta(microseconds=number)
            session = make_session(id=f"ses_{9 - number}", created_at=created_at)
            await store.save_session(session)
        listed = await store.list_sessions()
        assert ids_of(listed) == ["ses_9", "ses_8", "ses_7", "ses_6"]

    async def test_sessions_of_one_moment_come_by_id(self, store: SessionStore) -> None:
        """
        Ids are compared by code point, as Python does, in no language's order.
        """
        for session_id in reversed(_IDS_IN_ORDER):
            await store.save_session(make_session(id=session_id))
        assert tuple(ids_of(await store.list_sessions())) == _IDS_IN_ORDER

    async def test_saving_again_moves_nothing(self, store: SessionStore) -> None:
        """
        A session keeps its place when it is replaced.
        """
        await save_a_crowd(store)
        before = ids_of(await store.list_sessions())
        first = await store.get_session("ses_1")
        await store.save_session(first)
        assert ids_of(await store.list_sessions()) == before

    async def test_a_list_holds_whole_values(self, store: SessionStore) -> None:
        """
        What is listed equals what get_session gives.
        """
        await save_a_crowd(store)
        listed = await store.list_sessions()
        assert listed == [await store.get_session(session.id) for session in listed]

    async def test_each_filter_keeps_what_matches(self, store: SessionStore) -> None:
        """
        A status, an agent and a tenant each narrow the list.
        """
        await save_a_crowd(store)
        by_status = await store.list_sessions(status=SessionStatus.ACTIVE)
        assert ids_of(by_status) == ["ses_2", "ses_4", "ses_6", "ses_8"]
        by_agent = await store.list_sessions(agent_id="writer")
        assert ids_of(by_agent) == ["ses_3", "ses_4", "ses_7", "ses_8"]
        by_tenant = await store.list_sessions(tenant_id="tenant_1")
        assert ids_of(by_tenant) == ["ses_5", "ses_6", "ses_7", "ses_8"]
        by_user = await store.list_sessions(user_id="user_1")
        assert ids_of(by_user) == ["ses_6", "ses_8"]

    async def test_filters_add_up(self, store: SessionStore) -> None:
        """
        Given together, all of them must match.
        """
        await save_a_crowd(store)
        listed = await store.list_sessions(
            status=SessionStatus.ACTIVE, agent_id="writer", tenant_id="tenant_1"
        )
        assert ids_of(listed) == ["ses_8"]
        listed = await store.list_sessions(
            user_id="user_1", tenant_id="tenant_1", agent_id="reader"
        )
        assert ids_of(listed) == ["ses_6"]
        assert await store.list_sessions(user_id="user_1", tenant_id="tenant_2") == []

    async def test_filters_see_the_latest_value(self, store: SessionStore) -> None:
        """
        A session is found by what it is now, not by what it was.
        """
        owners = {"tenant_id": "tenant_1", "user_id": "user_1"}
        await store.save_session(make_session(agent_id="writer", **owners))
        await store.save_session(make_session(agent_id="reader"))
        assert await store.list_sessions(agent_id="writer") == []
        assert await store.list_sessions(tenant_id="tenant_1") == []
        assert await store.list_sessions(user_id="user_1") == []
        assert ids_of(await store.list_sessions(agent_id="reader")) == ["ses_1"]

    async def test_limit_and_offset_cut_pages(self, store: SessionStore) -> None:
        """
        Pages of three, one behind the other, give every session once.
        """
        await save_a_crowd(store)
        everything = ids_of(await store.list_sessions())
        for offset in (0, 3, 6, 9):
            page = await store.list_sessions(limit=3, offset=offset)
            assert ids_of(page) == everything[offset : offset + 3]

    async def test_an_offset_needs_no_limit(self, store: SessionStore) -> None:
        """
        Without a limit the rest comes whole.
        """
        await save_a_crowd(store)
        assert ids_of(await store.list_sessions(offset=6)) == ["ses_7", "ses_8"]

    async def test_a_limit_of_0_gives_nothing(self, store: SessionStore) -> None:
        """
        Zero is a number like others, not "no limit".
        """
        await save_a_crowd(store)
        assert await store.list_sessions(limit=0) == []

    async def test_pages_do_not_move_while_sessions_are_added(
        self, store: SessionStore
    ) -> None:
        """
        Sessions created later come last.
        """
        await save_a_crowd(store)
        first_page = await store.list_sessions(limit=4)
        later = make_session(id="ses_0", created_at=NOON + timedelta(days=1))
        await store.save_session(later)
        assert await store.list_sessions(limit=4) == first_page
        assert ids_of(await store.list_sessions(offset=8)) == ["ses_0"]

    async def test_a_list_can_leave_the_contexts_out(self, store: SessionStore) -> None:
        """
        They may be far larger than all the rest, which is as it was saved.
        """
        session = make_session(context={"prompt": "long"}, metadata={"title": "x"})
        saved = await store.save_session(session)
        (listed,) = await store.list_sessions(with_context=False)
        assert listed == attrs.evolve(saved, context={})
        assert await store.list_sessions() == [saved]
