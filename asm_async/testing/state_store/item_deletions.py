"""
Items and scopes that are deleted.
"""

from __future__ import annotations

from asm_async.ports.state_store import StateStore
from asm_async.testing.factories import make_item
from asm_async.testing.state_store.contract import StateStoreContract, keys_of

__all__ = ["TestItemDeletions"]

# More than one transaction removes.
_MANY = 2_500


class TestItemDeletions(StateStoreContract):
    """
    What is deleted is gone, and nothing else is.
    """

    async def test_items_are_deleted_by_key_and_by_prefix(
        self, state: StateStore
    ) -> None:
        """
        Each is counted once; unknown ones and those of other scopes are passed over.
        """
        keys = ["a/1", "a/2", "b/1", "b/2", "c"]
        for scope in ("one", "two"):
            await state.save_items([make_item(scope=scope, key=key) for key in keys])
        assert await state.delete_items("one", keys=["c", "none", "c"]) == 1
        assert await state.delete_items("one", keys=["a/1", "b/2"], prefix="a/") == 3
        assert keys_of(await state.list_items("one")) == ["b/1"]
        assert await state.delete_items("one", prefix="") == 1
        assert await state.delete_items("one", prefix="") == 0
        assert keys_of(await state.list_items("two")) == keys

    async def test_a_scope_is_deleted(self, state: StateStore) -> None:
        """
        With all that it has; an unknown one is no error, and neither is it again.
        """
        await state.save_items([make_item(key=key) for key in "abc"])
        others = await state.save_items([make_item(scope="app/user/2")])
        for _ in range(2):
            await state.delete_scope("app/user")
            assert await state.list_items("app/user") == []
        assert await state.list_items("app/user/2") == others

    async def test_a_large_scope_is_deleted_whole(self, state: StateStore) -> None:
        """
        Also one that is not removed in one transaction.
        """
        items = [make_item(key=f"{number:04}") for number in range(_MANY)]
        await state.save_items(items)
        await state.delete_scope("app/user")
        assert await state.list_items("app/user") == []
        await state.save_items(items)
        assert await state.delete_items("app/user", prefix="1") == 1_000
        assert len(await state.list_items("app/user")) == _MANY - 1_000

    async def test_a_deleted_item_can_be_saved_again(self, state: StateStore) -> None:
        """
        As a new one, which nothing of the old one shines through.
        """
        await state.save_items([make_item(data=1, content=b"1")])
        await state.delete_items("app/user", keys=["theme"])
        kept = await state.save_items([make_item()], keep_existing=True)
        assert [(item.data, item.content) for item in kept] == [(None, None)]
