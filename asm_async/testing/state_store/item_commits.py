"""
State items that are stored with a session's events, all or nothing.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async.errors import (
    ConflictError,
    EventConflictError,
    RevisionConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import StateStoreBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_event, make_item, make_run, make_session
from asm_async.testing.session_store.contract import OpenStore, numbers_of
from asm_async.testing.state_store.contract import StateStoreContract, keys_of
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.state_item import StateItem

__all__ = ["TestItemCommits"]

_THEME: tuple[str, str] = ("app/user", "theme")
_OLD: tuple[str, str] = ("app/old", "a")


def _item(**fields: Any) -> StateItem:
    return make_item(session_id="ses_1", **fields)


def _event(number: int) -> Event:
    return make_event(id=f"evt_{number}")


class TestItemCommits(StateStoreContract):
    """
    A commit writes events and state together, and each is what it is alone.
    """

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_commit_stores_items_with_what_they_belong_to(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Also of a session that it brings along; what is removed is gone.
        """
        await state.save_items([make_item(scope="app/old", key="a")])
        items = (_item(data={"dark": True}), _item(key="size", content=b"\0\xff"))
        changes = Changes(
            create_session=make_session(),
            runs=(make_run(),),
            events=(_event(1),),
            items=items,
            removed_items=(_OLD, ("app/old", "never")),
        )
        committed = await store.commit(changes)
        assert [item.data for item in committed.items] == [{"dark": True}, None]
        assert keys_of(committed.items) == ["theme", "size"]
        assert all(item.revision and item.updated_at for item in committed.items)
        found = await state.get_items("app/user", ["theme", "size"])
        assert tuple(found.values()) == committed.items
        assert await state.list_items("app/old") == []
        assert await store.get_events("ses_1") == list(committed.events)
        await store.delete_session("ses_1")
        assert await state.list_items("app/user") == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_commit_that_is_known_by_its_events_returns_its_items(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Its events stand where it expects to put them: nothing is saved once more.
        """
        await store.save_session(make_session())
        changes = Changes(events=(_event(1),), items=(_item(data="first"),))
        committed = await store.commit(changes, expected_sequence=0)
        assert await store.commit(changes, expected_sequence=0) == committed
        (later,) = await state.save_items([_item(data="later")])
        again = await store.commit(changes, expected_sequence=0)
        assert (again.events, again.items) == (committed.events, (later,))

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_commit_that_is_refused_leaves_items_as_they_were(
        self, store: SessionStore, state: StateStore, backend: StateStoreBackend
    ) -> None:
        """
        Whichever part may not be stored, no other one is.
        """
        await store.save_session(make_session())
        await store.append_event(_event(1))
        (theirs,) = await state.save_items([_item(data="theirs")])
        (old,) = await state.save_items([make_item(scope="app/old", key="a")])
        mine = Changes(
            runs=(make_run(),),
            events=(_event(2),),
            items=(_item(data="mine"),),
            removed_items=(_OLD,),
        )
        stale = {_THEME: theirs.revision - 1}
        with pytest.raises(RevisionConflictError) as caught:
            await store.commit(mine, expected_revisions=stale)
        assert caught.value.actual == theirs.revision
        wrong = Changes(
            events=(make_event(data={"other": "content"}),), items=mine.items
        )
        with pytest.raises(EventConflictError):
            await store.commit(wrong)
        foreign = Changes(events=(_event(2),), items=(make_item(session_id="ses_2"),))
        with pytest.raises(SessionNotFoundError):
            await store.commit(foreign)
        await store.save_session(make_session(id="ses_2"))
        await backend.soft_delete("ses_2")
        with pytest.raises(SessionDeletedError):
            await store.commit(foreign)
        assert await store.get_latest_sequence("ses_1") == 1
        assert await store.list_runs("ses_1") == []
        assert await state.get_items("app/user", ["theme"]) == {"theme": theirs}
        assert await state.list_items("app/old") == [old]
        expected: dict[str | tuple[str, str], int] = {
            _THEME: theirs.revision,
            _OLD: old.revision,
            "run_1": 0,
        }
        done = await store.commit(mine, expected_revisions=expected)
        assert [item.data for item in done.items] == ["mine"]

    @needs(Capability.SPANS_SESSIONS)
    async def test_of_many_that_expect_an_items_revision_one_commits(
        self, open_store: OpenStore, state: StateStore
    ) -> None:
        """
        The others append nothing, also where they save the same.
        """
        stores = [await open_store() for _ in range(3)]
        await stores[0].save_session(make_session())
        (before,) = await state.save_items([_item()])

        async def take(number: int) -> Committed:
            changes = Changes(events=(_event(number),), items=(_item(data="taken"),))
            return await stores[number % 3].commit(
                changes, expected_revisions={_THEME: before.revision}
            )

        outcomes = await asyncio.gather(*map(take, range(9)), return_exceptions=True)
        (won,) = [each for each in outcomes if isinstance(each, Committed)]
        lost = [each for each in outcomes if isinstance(each, RevisionConflictError)]
        assert len(lost) == 8
        assert await stores[0].get_events("ses_1") == list(won.events)
        assert numbers_of(won.events) == [1]

    @needs(Capability.SPANS_SESSIONS)
    async def test_an_item_that_is_only_looked_at_refuses_events(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        For as long as it is as it was seen, events are appended.
        """
        await store.save_session(make_session())
        (seen,) = await state.save_items([make_item(data=1)])
        expected = {_THEME: seen.revision}
        await store.commit(Changes(events=(_event(1),)), expected_revisions=expected)
        await state.save_items([make_item(data=2)])
        with pytest.raises(RevisionConflictError):
            await store.commit(
                Changes(events=(_event(2),)), expected_revisions=expected
            )
        with pytest.raises(RevisionConflictError):
            await store.commit(
                Changes(events=(_event(2),)), expected_revisions={_THEME: 0}
            )
        assert await store.get_latest_sequence("ses_1") == 1

    @needs(Capability.SPANS_SESSIONS)
    async def test_the_same_operation_stores_its_items_once(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        It is known by them alone, and by its other values where others saved them.
        """
        await store.save_session(make_session())
        changes = Changes(events=(_event(1),), items=(_item(data="mine"),))
        first = await store.commit(changes, operation_id="op_1")
        assert await store.commit(changes, operation_id="op_1") == first
        other = Changes(events=(_event(1),), items=(_item(data="another"),))
        with pytest.raises(ConflictError, match="op_1"):
            await store.commit(other, operation_id="op_1")
        whole = Changes(runs=(make_run(),), items=(_item(data="again"),))
        second = await store.commit(whole, operation_id="op_2")
        (theirs,) = await state.save_items([_item(data="theirs")])
        again = await store.commit(whole, operation_id="op_2")
        assert (again.runs, again.items) == (second.runs, (theirs,))
        await state.delete_items("app/user", keys=["theme"])
        with pytest.raises(ConflictError, match="op_2"):
            await store.commit(whole, operation_id="op_2")

    async def test_items_are_committed_without_a_session(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Saved and removed in one transaction, of several scopes.
        """
        (old,) = await state.save_items([make_item(scope="app/old", key="a")])
        changes = Changes(items=(make_item(data=1),), removed_items=(_OLD,))
        with pytest.raises(RevisionConflictError):
            await store.commit(changes, expected_revisions={_OLD: 0})
        committed = await store.commit(
            changes, expected_revisions={_OLD: old.revision, _THEME: 0}
        )
        assert committed == Committed(items=committed.items)
        assert await state.list_items("app/user") == list(committed.items)
        assert await state.list_items("app/old") == []
        of_a_session: tuple[dict[str, Any], ...] = (
            {"expected_sequence": 0},
            {"expected_tenant": "mine"},
            {"expected_revisions": {"run_1": 1}},
        )
        for options in of_a_session:
            with pytest.raises(ValidationError, match=f"^{next(iter(options))}: "):
                await store.commit(changes, **options)

    @needs(Capability.SPANS_SESSIONS)
    async def test_of_items_without_their_sessions_the_first_is_named(
        self, store: SessionStore
    ) -> None:
        """
        In the order of the items, which is the same wherever they are stored.
        """
        await store.save_session(make_session())
        for names in (("ses_9", "ses_2", "ses_5"), ("ses_5", "ses_9", "ses_2")):
            items = tuple(make_item(key=name, session_id=name) for name in names)
            with pytest.raises(SessionNotFoundError, match=names[0]):
                await store.commit(Changes(events=(_event(1),), items=items))

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_commit_concerns_a_thousand_scopes_at_most(
        self, store: SessionStore
    ) -> None:
        """
        Each costs a lock, also where items are only removed.
        """
        names = tuple((f"scope_{number}", "a") for number in range(1_001))
        with pytest.raises(ValidationError, match="at most 1000 scopes"):
            await store.commit(Changes(removed_items=names))
        await store.commit(Changes(removed_items=names[1:]))

    async def test_what_is_saved_is_not_removed_beside_that(self) -> None:
        """
        No item stands twice in one commit; each message names the place.
        """
        item = make_item()
        for fields, place in (
            ({"items": (item, item)}, r"items\[1\]"),
            ({"removed_items": (_OLD, _OLD)}, r"removed_items\[1\]"),
            ({"items": (item,), "removed_items": (_THEME,)}, r"removed_items\[0\]"),
            ({"removed_items": (("app/user",),)}, r"removed_items\[0\]"),
            ({"removed_items": (("app/user", ""),)}, r"removed_items\[0\]\[1\]"),
            ({"items": ("theme",)}, r"items\[0\]"),
        ):
            given: dict[str, Any] = dict(fields)
            with pytest.raises(ValidationError, match=f"^{place}: "):
                Changes(**given)

    @needs(Capability.SPANS_SESSIONS)
    async def test_items_go_with_sessions_of_the_expected_tenant(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Another's session is not found, and nothing is stored.
        """
        for id_, tenant in (("mine", "me"), ("theirs", "them")):
            await store.save_session(make_session(id=id_, tenant_id=tenant))
        mine = make_item(key="mine", session_id="mine")
        theirs = make_item(key="theirs", session_id="theirs")
        event = make_event(id="new", session_id="mine")
        for changes in (
            Changes(items=(mine, theirs)),
            Changes(items=(theirs,)),
            Changes(items=(theirs,), events=(event,)),
        ):
            with pytest.raises(SessionNotFoundError, match="theirs"):
                await store.commit(changes, expected_tenant="me")
        assert await state.list_items("app/user") == []
        await store.commit(Changes(items=(mine,)), expected_tenant="me")
        assert len(await state.list_items("app/user")) == 1
        with pytest.raises(ValidationError, match=r"^expected_tenant"):
            await store.commit(Changes(items=(make_item(),)), expected_tenant="me")
