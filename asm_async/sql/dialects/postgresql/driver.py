"""
Connections of asyncpg: what is used below its public interface stands in this file.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from asm_async.errors import StoreClosedError

if TYPE_CHECKING:
    # It need not be installed where only SQLite is used.
    from asyncpg import Connection

T = TypeVar("T")

_MAX_MILLISECONDS = 2**31 - 1

# What asyncpg does not close when it is collected.
_IS_OVER = "_aborted"

Driver: TypeAlias = "Connection[Any]"
"""
A connection of asyncpg's.
"""


def caches_statements(driver: Driver) -> bool:
    """
    Return whether a statement is prepared once and then takes one round trip.

    Where the cache is off, as it must be behind PgBouncer in transaction mode, two
    round trips outside a transaction could reach two servers. Where asyncpg no longer
    tells, it is taken to be off.
    """
    config = getattr(driver, "_config", None)
    return bool(getattr(config, "statement_cache_size", 0))


def has_broken_transaction(driver: Driver) -> bool:
    """
    Return whether the driver takes a transaction to be open that is not.

    A BEGIN that failed leaves it so, and it would begin savepoints from then on.
    """
    return getattr(driver, "_top_xact", None) is not None


def may_be_sent(error: Exception) -> bool:
    """
    Return whether a statement that failed may have reached the server.

    Before it sends one, asyncpg looks whether the connection is closed, and whether its
    protocol is at rest, which it is not where the server has just ended it.
    """
    name = type(error).__name__
    is_at_work = name == "InternalClientError" and "cannot switch" in str(error)
    return name != "InterfaceError" and not is_at_work


def is_of_another_loop(driver: Driver) -> bool:
    """
    Return whether a connection cannot be used in the running event loop.
    """
    loop = asyncio.get_running_loop()
    return getattr(driver, "_loop", loop) is not loop


def hang_up(driver: Driver) -> None:
    """
    End an idle connection whose event loop was closed.

    Raises:
        StoreClosedError: If it was not closed, so that others may be using it.
    """
    loop: asyncio.AbstractEventLoop | None = getattr(driver, "_loop", None)
    if loop is not None and not loop.is_closed():
        raise StoreClosedError(
            "the engine's connections belong to another event loop, which is not"
            " closed: make an engine for each loop and each process"
        )
    # The server is told, and then the loop is missed.
    with suppress(RuntimeError):
        driver.terminate()


def leave_to_parent(driver: Driver) -> None:
    """
    See to it that a connection of the parent's process is never closed in this one.

    Collected, it would tell the server that it ends, and take the parent's socket from
    the selector that a fork lets both have.
    """
    setattr(driver, _IS_OVER, True)


def in_task(
    work: Coroutine[Any, Any, T], done: Callable[[T | None, BaseException | None], None]
) -> None:
    """
    Run *work* to its end in a task, which begins at once where Python can do that.

    *done* is called in the event loop with what it returned or raised, perhaps before
    this returns.
    """

    async def run() -> None:
        try:
            result = await work
        except asyncio.CancelledError:
            raise
        except BaseException as failure:  # noqa: BLE001 - it is told
            done(None, failure)
        else:
            # Who waits for it need not wait for the end of the task as well.
            done(result, None)

    def landed(task: asyncio.Task[None]) -> None:
        # Also one that was cancelled before it had begun.
        if task.cancelled():
            work.close()
            done(None, StoreClosedError("the event loop was shut down"))

    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        task = asyncio.Task(run(), loop=loop, eager_start=True)
    else:
        task = asyncio.Task(run(), loop=loop)
    task.add_done_callback(landed)


def milliseconds(timeout: float) -> str:
    """
    Write a lock timeout: zero would mean none, and the setting has 32 bits.
    """
    return f"{max(1, round(min(timeout * 1000, _MAX_MILLISECONDS)))}ms"


async def roll_back(driver: Driver) -> None:
    """
    End a transaction that was begun past SQLAlchemy, by who had the connection before.
    """
    if driver.is_in_transaction():
        await driver.execute("ROLLBACK")
