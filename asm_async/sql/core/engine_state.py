"""
What there must be one of for each engine, in the event loop that uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StoreClosedError

T = TypeVar("T")


@attrs.define(eq=False)
class EngineState:
    """
    What all stores over one engine have in common.
    """

    loop: asyncio.AbstractEventLoop
    """
    The event loop that the engine's connections belong to.
    """

    write_lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """
    Held by the one transaction that writes, first come, first served; for databases
    with one writer.
    """

    _parts: dict[type, Any] = attrs.field(factory=dict[type, Any])

    def part(self, kind: type[T], make: Callable[[], T]) -> T:
        """
        Return the one *kind* of this engine, which *make* makes at the first call.
        """
        if kind not in self._parts:
            self._parts[kind] = make()
        return cast("T", self._parts[kind])


# The only state of a module: it lives as long as its engine.
_STATES: WeakKeyDictionary[AsyncEngine, EngineState] = WeakKeyDictionary()


def engine_state(engine: AsyncEngine) -> EngineState:
    """
    Return what the stores over *engine* share; the first call makes it.

    Raises:
        StoreClosedError: If the engine belongs to another event loop that still runs.
    """
    loop = asyncio.get_running_loop()
    state = _STATES.get(engine)
    if state is None or (state.loop is not loop and state.loop.is_closed()):
        state = _STATES[engine] = EngineState(loop)
    if state.loop is not loop:
        raise StoreClosedError("the engine belongs to another event loop")
    return state
