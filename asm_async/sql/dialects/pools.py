"""
Pools of connections that another event loop or process has left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AssertionPool, AsyncAdaptedQueuePool, Pool, StaticPool
from sqlalchemy.pool.base import reset_none

from asm_async.errors import UnsupportedOperationError

# Not public: SQLAlchemy's queue, and asyncio's within it with all that lies there.
_NAME = "_pool"

queue_of: Callable[[Any], Any] = attrgetter("_pool._queue")
"""
Return asyncio's queue within a pool.
"""

records_of: Callable[[Any], Any] = attrgetter("_pool._queue._queue")
"""
Return the records that lie in a pool, the one that is used next at one of the ends.

Raises:
    AttributeError: If the pool has none; then every check-out goes through a greenlet.
"""


@attrs.frozen(kw_only=True)
class PoolUse:
    """
    How a pool of connections is used.
    """

    used: int
    """
    How many connections somebody has taken out of it.
    """

    idle: int
    """
    How many lie in it.
    """

    most: int | None
    """
    How many there may be; None for any number.
    """

    waiting: int
    """
    How many wait for one of them.
    """


def pool_use(engine: AsyncEngine) -> PoolUse | None:
    """
    Return how an engine's pool is used; None where it lends none by number.

    Any thread may ask.
    """
    pool = engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return None
    overflow = getattr(pool, "_max_overflow", -1)
    waiters = tuple(getattr(queue_of(pool), "_getters", ()))
    return PoolUse(
        used=pool.checkedout(),
        idle=pool.checkedin(),
        most=None if overflow < 0 else pool.size() + overflow,
        waiting=sum([not waiter.done() for waiter in waiters]),
    )


def lends_plainly(pool: Pool, *, resets_without_waiting: bool) -> bool:
    """
    Return whether a check-out and a check-in do nothing but take and put a record.

    That is, as long as nobody listens to them. Pools of other classes may do anything.

    Args:
        pool: An engine's.

        resets_without_waiting: Whether a connection without a transaction is reset
            without a word to the database.
    """
    resets = getattr(pool, "_reset_on_return", True)
    try:
        records_of(pool)
    except AttributeError:
        return False
    return (
        type(pool) is AsyncAdaptedQueuePool
        and hasattr(pool, "_do_return_conn")
        and not getattr(pool, "_pre_ping", True)
        and getattr(pool, "_recycle", 0) == -1
        and (resets_without_waiting or resets in (None, reset_none))
    )


def idle_connections(engine: AsyncEngine) -> list[Any]:
    """
    Return the driver's connections that lie in an engine's pool, the oldest first.
    """
    pool = engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return []
    drivers = [record.driver_connection for record in records_of(pool)]
    return [driver for driver in drivers if driver is not None]


def refuse_shared_connection(engine: AsyncEngine) -> None:
    """
    Refuse a pool that lends one connection to several tasks, or fails where it would.

    Raises:
        UnsupportedOperationError: Naming the pool.
    """
    if isinstance(engine.pool, AssertionPool | StaticPool):
        raise UnsupportedOperationError(
            f"the engine's {type(engine.pool).__name__} has one connection and so one"
            " transaction for all tasks; make the engine with"
            " asm_async.sql.create_engine, or with poolclass=AsyncAdaptedQueuePool,"
            " pool_size=1, max_overflow=0"
        )


def has_one_connection(engine: AsyncEngine) -> bool:
    """
    Return whether the pool has one connection, for as long as it is not lost.
    """
    pool = engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return False
    most = getattr(pool, "_max_overflow", None), getattr(pool, "_recycle", -1)
    return pool.size() == 1 and most == (0, -1)


def is_in_use(engine: AsyncEngine) -> bool:
    """
    Return whether somebody has taken a connection out of the pool, as far as it knows.
    """
    pool = engine.pool
    return isinstance(pool, AsyncAdaptedQueuePool) and pool.checkedout() > 0


def is_waited_for_elsewhere(engine: AsyncEngine, loop: object) -> bool:
    """
    Return whether the pool's queue belongs to another event loop than *loop*.
    """
    pool = engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return False
    return getattr(queue_of(pool), "_loop", None) not in (None, loop)


def renew_queue(engine: AsyncEngine) -> None:
    """
    Put the pool's connections into a queue that belongs to no event loop yet.

    A queue of asyncio's belongs to the loop in which somebody first waited for it.
    """
    pool = engine.pool
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return
    old = getattr(pool, _NAME)
    new = type(old)(old.maxsize, use_lifo=old.use_lifo)
    records: list[Any] = []
    while not old.empty():
        records.append(old.get_nowait())
    # What would have been taken first still is.
    for record in reversed(records) if old.use_lifo else records:
        new.put_nowait(record)
    setattr(pool, _NAME, new)
