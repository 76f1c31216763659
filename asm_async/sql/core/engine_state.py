"""
What there must be one of for each engine, in the event loop that uses it.
"""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StoreClosedError


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

    shared: Any = None
    """
    What stores and feeds share beside these, which is above this floor.
    """


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
