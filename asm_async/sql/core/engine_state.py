"""
What there must be one of for each engine, in the event loop that uses it.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import StoreClosedError
from asm_async.fronts.log_records import LogThrottle


def _no_engines() -> WeakKeyDictionary[AsyncEngine, Any]:
    return WeakKeyDictionary()


@attrs.define(eq=False)
class EngineState:
    """
    What all stores over one pool of connections have in common.
    """

    engine: weakref.ref[AsyncEngine]

    loop: asyncio.AbstractEventLoop
    """
    The event loop that the engine's connections belong to.
    """

    process: int = attrs.field(factory=os.getpid)
    """
    The process in which this was made: a fork copies it, and no thread with it.
    """

    write_lock: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    """
    Held by the one transaction that writes, first come, first served; for databases
    with one writer.
    """

    log_throttle: LogThrottle = attrs.field(factory=LogThrottle)
    """
    What bounds the records of all stores over the pool.
    """

    is_looked_over: bool = False
    """
    Whether a store has seen to the database's settings.
    """

    shared: WeakKeyDictionary[AsyncEngine, Any] = attrs.field(factory=_no_engines)
    """
    What stores and feeds of each engine over the pool share beside these, which is
    above this floor.
    """

    inherited: Any = None
    """
    What a forked process must neither use nor close, and so must not lose either: that
    would close it, and end what its parent goes on using.
    """

    handing_over: threading.Lock = attrs.field(factory=threading.Lock)
    """
    Held by the thread whose loop takes the pool over from one that was closed.
    """

    def is_inherited(self) -> bool:
        """
        Return whether this is the copy that a fork has left of the parent's.
        """
        return self.process != os.getpid()

    def is_over(self) -> bool:
        """
        Return whether nobody can use the pool any more in its event loop.
        """
        return self.loop.is_closed() or self.is_inherited()


RenewPool: TypeAlias = Callable[[AsyncEngine, EngineState | None], None]
"""
Makes a pool fit for the running event loop, or raises ``StoreClosedError``. It is given
the state of the loop or process before, if the engine was used with a store there.
"""

# The only state of a module: it lives as long as its pool. Engines that
# ``execution_options`` derives from another share its pool, and its dialect, which
# belongs to no other pool.
_STATES: WeakKeyDictionary[sa.Dialect, EngineState] = WeakKeyDictionary()


def engine_state(
    engine: AsyncEngine, renew_pool: RenewPool | None = None
) -> EngineState:
    """
    Return what the stores over *engine* share; the first call in a loop makes it.

    Args:
        engine: Which one.

        renew_pool: Called before the engine is used in a loop for the first time.

    Raises:
        StoreClosedError: If the engine belongs to another event loop that was not
            closed, or its pool cannot be renewed.
    """
    loop = asyncio.get_running_loop()
    state = _STATES.get(engine.dialect)
    if state is not None and state.loop is loop:
        return state
    new = EngineState(weakref.ref(engine), loop)
    if state is None:
        # Two threads may come here at once, and one of them wins.
        state = _STATES.setdefault(engine.dialect, new)
        if state is new:
            _renew(engine, None, renew_pool)
            return new
    with state.handing_over:
        if _STATES.get(engine.dialect) is not state or not state.is_over():
            raise StoreClosedError(
                "the engine belongs to another event loop, which is not closed: make an"
                " engine for each loop"
            )
        if state.is_inherited():
            new.inherited = state, engine.pool
        _STATES[engine.dialect] = new
        _renew(engine, state, renew_pool)
    return new


def log_throttle_of(engine: AsyncEngine) -> LogThrottle:
    """
    Return what bounds an engine's records; a new one where no store has used it yet.
    """
    state = _STATES.get(engine.dialect)
    return LogThrottle() if state is None else state.log_throttle


def inherited_states() -> list[EngineState]:
    """
    Return what a fork has left of the states of the parent's engines.
    """
    return [state for state in list(_STATES.values()) if state.is_inherited()]


def _renew(
    engine: AsyncEngine, before: EngineState | None, renew_pool: RenewPool | None
) -> None:
    if renew_pool is None:
        return
    try:
        renew_pool(engine, before)
    except BaseException:
        # The next call gets the same answer.
        if before is None:
            del _STATES[engine.dialect]
        else:
            _STATES[engine.dialect] = before
        raise
