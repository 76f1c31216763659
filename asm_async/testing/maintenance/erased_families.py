"""
Child sessions that are erased with their parents, and those that are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_session
from asm_async.testing.maintenance.erasure_contract import (
    ErasureContract,
    World,
    failing_at,
    report_of,
)

__all__ = ["TestErasedFamilies"]

_ANNS: Mapping[str, Any] = {"tenant_id": "acme", "user_id": "ann"}


@needs(Capability.SPANS_SESSIONS)
class TestErasedFamilies(ErasureContract):
    """
    Children go on request, if they are the same tenant's and no other user's.
    """

    async def test_children_stay_unless_asked_for(self, world: World) -> None:
        """
        Also those of the same user, where only the parent is named.
        """
        await world.fill("parent", **_ANNS)
        await world.fill("child", parent_session_id="parent", **_ANNS)
        report = await world.erase(session_ids=["parent"])
        assert report == report_of(1, content_count=1)
        assert await world.session_ids() == ["child"]

    async def test_children_go_with_theirs(self, world: World) -> None:
        """
        Through any number of generations, nobody's among them.
        """
        await world.fill("parent", **_ANNS)
        await world.fill("agents", parent_session_id="parent", tenant_id="acme")
        await world.fill("agents_agents", parent_session_id="agents", tenant_id="acme")
        await world.fill("own", parent_session_id="agents_agents", **_ANNS)
        await world.fill("sibling", parent_session_id="parent", **_ANNS)
        await world.fill("stranger", tenant_id="acme")
        report = await world.erase(session_ids=["parent"], with_children=True)
        assert report == report_of(5, content_count=5)
        assert await world.session_ids() == ["stranger"]

    @pytest.mark.parametrize(
        "chosen", [{"user_id": "ann"}, {"session_ids": ["parent"]}]
    )
    async def test_what_is_anothers_stays_and_is_named(
        self, world: World, chosen: Any
    ) -> None:
        """
        With all below it: children of another tenant, of none, and of another user.
        """
        await world.fill("parent", **_ANNS)
        others: dict[str, Any] = {
            "other_tenant": {"tenant_id": "globex", "user_id": None},
            "no_tenant": {"user_id": None},
            "other_user": {"tenant_id": "acme", "user_id": "bob"},
        }
        for session_id, fields in others.items():
            await world.fill(session_id, parent_session_id="parent", **fields)
        await world.fill("below", parent_session_id="other_user", tenant_id="acme")
        report = await world.erase(**chosen, with_children=True)
        assert report == report_of(
            1, content_count=1, children_left=3, child_ids_left=sorted(others)
        )
        assert await world.session_ids() == sorted([*others, "below"])

    async def test_what_is_erased_by_itself_does_not_stay(self, world: World) -> None:
        """
        A tenant's sessions all go, whichever user's child each of them is.
        """
        await world.fill("parent", **_ANNS)
        await world.fill(
            "child", parent_session_id="parent", tenant_id="acme", user_id="bob"
        )
        report = await world.erase(tenant_id="acme", with_children=True)
        assert report == report_of(2, content_count=2)

    async def test_a_cycle_of_parents_comes_to_an_end(self, world: World) -> None:
        """
        Each session of it goes once.
        """
        await world.fill("one", parent_session_id="three", **_ANNS)
        await world.fill("two", parent_session_id="one", tenant_id="acme")
        await world.fill("three", parent_session_id="two", tenant_id="acme")
        await world.fill("itself", parent_session_id="itself", **_ANNS)
        report = await world.erase(user_id="ann", with_children=True)
        assert report == report_of(4, content_count=4)

    async def test_no_more_than_a_hundred_children_are_named(
        self, world: World
    ) -> None:
        """
        All are counted.
        """
        await world.fill("parent", **_ANNS)
        for number in range(101):
            await world.store.save_session(
                make_session(id=f"child_{number:03}", parent_session_id="parent")
            )
        report = await world.erase(user_id="ann", with_children=True)
        assert report.children_left == 101
        assert report.child_ids_left == tuple(f"child_{n:03}" for n in range(100))

    async def test_a_parent_goes_after_its_children(self, world: World) -> None:
        """
        Broken off in between, the next call finds the children by it.
        """
        await world.fill("parent", **_ANNS)
        await world.fill("child", parent_session_id="parent", tenant_id="acme")
        await world.fill("grandchild", parent_session_id="child", tenant_id="acme")

        for left in (["child", "parent"], ["parent"]):
            world.contents.before_delete = failing_at(2)
            with pytest.raises(OSError, match="no such host"):
                await world.erase(user_id="ann", with_children=True)
            assert await world.session_ids() == left
        report = await world.erase(user_id="ann", with_children=True)
        assert report.session_count == 1
        assert await world.session_ids() == []

    async def test_a_child_that_is_begun_meanwhile_goes_too(self, world: World) -> None:
        """
        Its parent is being erased, or has just been.
        """
        await world.fill("parent", **_ANNS)

        async def begin() -> None:
            world.contents.before_delete = None
            await world.fill("late", parent_session_id="parent", tenant_id="acme")

        world.contents.before_delete = begin
        report = await world.erase(user_id="ann", with_children=True)
        assert report == report_of(2, content_count=2)
        assert await world.session_ids() == []
