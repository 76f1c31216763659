"""
Calls that are cancelled at whatever moment.
"""

from __future__ import annotations

from asm_async.ports.state_store import StateStore
from asm_async.testing.factories import make_item
from asm_async.testing.session_store.cancellations import cancel_ever_later
from asm_async.testing.state_store.contract import OpenStateStore, StateStoreContract
from asm_async.values.state_item import StateItem

__all__ = ["TestItemCancellations"]


class TestItemCancellations(StateStoreContract):
    """
    A cancelled call has happened or has not; either is settled when it returns.
    """

    async def test_a_cancelled_save_is_whole_or_nothing(
        self, state: StateStore, open_state_store: OpenStateStore
    ) -> None:
        """
        All items of a call are there, or none; what is not there does not come later.
        """
        another = await open_state_store()

        async def check(attempt: int, stored: list[StateItem] | None) -> None:
            there = await another.list_items("app/user", prefix=f"{attempt:03}/")
            assert len(there) in {0, 3}
            assert stored is None or stored == there
            await state.save_items([make_item(key="last", data=attempt)])
            again = await another.list_items("app/user", prefix=f"{attempt:03}/")
            assert again == there

        await cancel_ever_later(
            lambda n: state.save_items(
                [make_item(key=f"{n:03}/{name}", content=b"x") for name in "abc"]
            ),
            check,
        )

    async def test_a_cancelled_deletion_is_whole_or_nothing(
        self, state: StateStore, open_state_store: OpenStateStore
    ) -> None:
        """
        All items of a call are gone, or none.
        """
        another = await open_state_store()
        items = [make_item(key=f"a/{number}") for number in range(3)]
        await state.save_items(items)

        async def check(_: int, deleted: int | None) -> None:
            left = len(await another.list_items("app/user"))
            assert left in {0, 3}
            assert deleted is None or left == 0
            await state.save_items(items)

        await cancel_ever_later(
            lambda _: state.delete_items("app/user", prefix="a/"), check
        )
