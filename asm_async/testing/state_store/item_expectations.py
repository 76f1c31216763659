"""
Expected revisions: what is written only if nobody has been there before.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import pytest

from asm_async.errors import RevisionConflictError
from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_item
from asm_async.testing.state_store.contract import StateStoreContract

__all__ = ["TestItemExpectations"]

Call: TypeAlias = Callable[[StateStore, int], Coroutine[Any, Any, object]]

_NAME = ("app/user", "theme")

# What else than the save of one item an expectation may stand before.
_CALLS: Mapping[str, Call] = {
    "save": lambda state, number: state.save_items(
        [make_item(data="new")], expected_revisions={_NAME: number}
    ),
    "save of several": lambda state, number: state.save_items(
        [make_item(key="size"), make_item(data="new"), make_item(scope="other")],
        expected_revisions={_NAME: number},
    ),
    "save of another": lambda state, number: state.save_items(
        [make_item(key="size")], expected_revisions={_NAME: number}
    ),
    "keeping save": lambda state, number: state.save_items(
        [make_item(key="size"), make_item(data="new")],
        keep_existing=True,
        expected_revisions={_NAME: number},
    ),
    "check": lambda state, number: state.save_items(
        [], expected_revisions={_NAME: number}
    ),
    "deletion": lambda state, number: state.delete_items(
        "app/user", keys=["theme"], expected_revisions={"theme": number}
    ),
    "deletion of others": lambda state, number: state.delete_items(
        "app/user", prefix="", expected_revisions={"theme": number}
    ),
}


class TestItemExpectations(StateStoreContract):
    """
    An expectation that is not met refuses the whole call.
    """

    @needs(Capability.SPANS_SESSIONS, only=["save of several"])
    @pytest.mark.parametrize("name", _CALLS)
    async def test_another_revision_is_refused(
        self, state: StateStore, name: str
    ) -> None:
        """
        With the actual one: too low, too high, or of an item that is not there.
        """
        (first,) = await state.save_items([make_item()])
        (stored,) = await state.save_items([make_item(data=1)])
        for number in (0, first.revision, stored.revision + 1):
            with pytest.raises(RevisionConflictError, match="'theme'") as caught:
                await _CALLS[name](state, number)
            assert caught.value.expected == number
            assert caught.value.actual == stored.revision
        assert await state.list_items("app/user") == [stored]
        assert await state.list_items("other") == []
        await state.delete_scope("app/user")
        with pytest.raises(RevisionConflictError) as caught:
            await _CALLS[name](state, stored.revision)
        assert caught.value.actual == 0
        assert await state.list_items("app/user") == []

    @needs(Capability.SPANS_SESSIONS, only=["save of several"])
    @pytest.mark.parametrize("name", _CALLS)
    async def test_the_revision_that_is_there_is_met(
        self, state: StateStore, name: str
    ) -> None:
        """
        So is none where nothing is stored.
        """
        await _CALLS[name](state, 0)
        (stored,) = await state.save_items([make_item(data=1)])
        await _CALLS[name](state, stored.revision)

    async def test_an_expected_save_gives_the_next_revision(
        self, state: StateStore
    ) -> None:
        """
        Which the next save may expect in turn, and no other.
        """
        revisions = [0]
        for number in range(5):
            (stored,) = await state.save_items(
                [make_item(data=number)], expected_revisions={_NAME: revisions[-1]}
            )
            assert stored.revision > revisions[-1]
            revisions.append(stored.revision)
        for revision in revisions[:-1]:
            with pytest.raises(RevisionConflictError):
                await state.save_items(
                    [make_item()], expected_revisions={_NAME: revision}
                )

    async def test_a_revision_never_comes_back(self, state: StateStore) -> None:
        """
        Neither when its item is deleted and saved again, nor when its scope is.
        """
        revisions: list[int] = []
        for number in range(9):
            (stored,) = await state.save_items([make_item(data=number)])
            revisions.append(stored.revision)
            if number % 3 == 1:
                await state.delete_items("app/user", keys=["theme"])
            if number % 3 == 2:
                await state.delete_scope("app/user")
        assert revisions == sorted(set(revisions))
