"""
State stores that were closed, or are used from another event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import pytest

from asm_async.errors import StoreClosedError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.concurrency import race
from asm_async.testing.factories import make_item, make_session
from asm_async.testing.state_store.contract import OpenStateStore, StateStoreContract

__all__ = ["TestItemClosing"]

Call: TypeAlias = Callable[[StateStore], Coroutine[Any, Any, object]]

_CALLS: Mapping[str, Call] = {
    "save_items": lambda state: state.save_items([make_item(data=2)]),
    "get_items": lambda state: state.get_items("app/user", ["theme"]),
    "list_items": lambda state: state.list_items("app/user"),
    "list_session_items": lambda state: state.list_session_items("ses_1"),
    "delete_items": lambda state: state.delete_items("app/user", keys=["theme"]),
    "delete_scope": lambda state: state.delete_scope("app/user"),
}


class TestItemClosing(StateStoreContract):
    """
    A closed store finishes what was begun and refuses what comes after.
    """

    async def test_every_method_of_the_port_is_tried(self) -> None:
        """
        The calls of the tests below are all there are, but for aclose itself.
        """
        methods = {name for name in vars(StateStore) if name[0] != "_"}
        assert set(_CALLS) == methods - {"aclose"}

    async def test_every_method_refuses_once_the_store_is_closed(
        self, state: StateStore, open_state_store: OpenStateStore
    ) -> None:
        """
        Reads and writes alike, and calls that have nothing to do; nothing is written.
        """
        stored = await state.save_items([make_item(data=1)])
        await asyncio.gather(state.aclose(), state.aclose())
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await call(state)
        with pytest.raises(StoreClosedError):
            await state.save_items([])
        another = await open_state_store()
        assert await another.list_items("app/user") == stored

    async def test_closing_closes_no_other(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        The session store beside it goes on.
        """
        await state.save_items([make_item()])
        await state.aclose()
        await store.save_session(make_session())

    async def test_closing_finishes_what_was_begun(
        self, state: StateStore, open_state_store: OpenStateStore
    ) -> None:
        """
        Each save beside the closing is acknowledged and stored, or refused as closed.
        """
        await state.save_items([make_item(key="first")])

        async def close_later(turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await state.aclose()

        saves = [state.save_items([make_item(key=f"{n:02}")]) for n in range(16)]
        *outcomes, _ = await race([*saves, close_later(5)])
        stored = [outcome[0] for outcome in outcomes if isinstance(outcome, list)]
        refused = [o for o in outcomes if isinstance(o, StoreClosedError)]
        assert len(stored) + len(refused) == len(saves)
        another = await open_state_store()
        assert await another.list_items("app/user", before="first") == stored

    async def test_a_store_belongs_to_the_loop_that_first_used_it(
        self, state: StateStore
    ) -> None:
        """
        From another event loop every method refuses; in its own the store goes on.
        """
        stored = await state.save_items([make_item()])
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await asyncio.to_thread(asyncio.run, call(state))
        assert await state.list_items("app/user") == stored
