"""
Names of other libraries that the package uses though they are not public.

Their next release may rename them. `nox -s prereleases` runs this against it.
"""

from __future__ import annotations

import asyncio
import json.encoder
import queue
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiosqlite
import aiosqlite.context
import attrs
import pytest
import sqlalchemy as sa
from asyncpg import connect_utils
from asyncpg.connection import Connection as AsyncpgConnection
from sqlalchemy import util
from sqlalchemy.dialects.sqlite.aiosqlite import AsyncAdapt_aiosqlite_dbapi
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.sql import operators

from asm_async.sql.dialects.sqlite.connection import has_living_thread

PACKAGE = Path(__file__).parents[2] / "asm_async"

# What is not public has no types either.
AIOSQLITE: Any = aiosqlite.Connection
ASYNCPG: Any = AsyncpgConnection
OPERATORS: Any = operators
SQL: Any = sa
POOL: Any = QueuePool(lambda: SQL)
ASYNC_POOL: Any = AsyncAdaptedQueuePool(lambda: SQL)
RECORD: Any = sa.pool.base._ConnectionRecord
ENCODER: Any = json.encoder


def never_opened() -> Any:
    """
    Make a connection of aiosqlite's whose thread has not begun.
    """
    return aiosqlite.Connection(lambda: sqlite3.connect(":memory:"), 64)


def takes_async_creator() -> bool:
    """
    Return whether SQLAlchemy's dialect asks for it among the driver's arguments.
    """
    code = AsyncAdapt_aiosqlite_dbapi.connect.__code__
    return "async_creator_fn" in code.co_consts


@attrs.frozen
class Name:
    """
    A name that is needed, and how to find it.
    """

    text: str
    is_there: Callable[[], object]


NAMES = [
    Name("_thread", lambda: never_opened()._thread.daemon is not None),
    Name("_tx", lambda: isinstance(never_opened()._tx, queue.SimpleQueue)),
    Name("_conn", lambda: isinstance(AIOSQLITE._conn, property)),
    Name("_execute", lambda: AIOSQLITE._execute),
    Name("_connect", lambda: AIOSQLITE._connect),
    Name("super().stop()", lambda: AIOSQLITE.stop),
    Name("aiosqlite.context", lambda: aiosqlite.context.contextmanager),
    Name("_config", lambda: ASYNCPG._config),
    Name(
        "statement_cache_size",
        lambda: "statement_cache_size" in connect_utils._ClientConfiguration._fields,
    ),
    Name("_top_xact", lambda: ASYNCPG._top_xact),
    Name("_loop", lambda: ASYNCPG._loop),
    Name("_aborted", lambda: ASYNCPG._aborted),
    Name("_pool._queue._queue", lambda: ASYNC_POOL._pool._queue._queue is not None),
    Name("_pool.use_lifo", lambda: hasattr(ASYNC_POOL._pool, "use_lifo")),
    Name("_pool.maxsize", lambda: ASYNC_POOL._pool.maxsize == 5),
    Name("_max_overflow", lambda: POOL._max_overflow == 10),
    Name("_overflow", lambda: POOL._overflow == -5),
    Name(
        "_is_hard_or_soft_invalidated",
        lambda: RECORD._is_hard_or_soft_invalidated,
    ),
    Name("_reset_on_return", lambda: hasattr(POOL, "_reset_on_return")),
    Name("_do_return_conn", lambda: POOL._do_return_conn),
    Name("_pre_ping", lambda: hasattr(POOL, "_pre_ping")),
    Name("_recycle", lambda: POOL._recycle == -1),
    Name("async_creator_fn", takes_async_creator),
    Name("greenlet_spawn", lambda: util.greenlet_spawn),
    Name("custom_op", lambda: OPERATORS.custom_op("+")),
    Name("UnaryExpression", lambda: SQL.UnaryExpression(SQL.literal(1))),
    Name("_log_destroy_pending", lambda: hasattr(asyncio.Task, "_log_destroy_pending")),
    Name("c_make_encoder", lambda: ENCODER.c_make_encoder),
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name.text)
def test_a_name_that_is_not_public_is_there(name: Name) -> None:
    """
    The installed release still has what the package uses below the public interfaces.
    """
    pattern = re.compile(rf"(?<!\w){re.escape(name.text)}(?!\w)")
    needing = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if pattern.search(path.read_text(encoding="utf-8"))
    ]
    assert needing, f"nothing needs {name.text} any more: take it off the list"

    try:
        found = name.is_there()
    except (AttributeError, TypeError) as error:
        pytest.fail(f"{error}: see {', '.join(needing)}")
    is_missing = found is None or found is False
    assert not is_missing, f"{name.text} is not what it was: see {', '.join(needing)}"


def test_a_connection_whose_thread_is_not_known_is_taken_to_have_one() -> None:
    """
    Of a release that has renamed it, as of one whose thread goes on.
    """
    assert has_living_thread(object())
    assert not has_living_thread(never_opened())


async def test_a_connection_of_aiosqlite_calls_what_its_queue_is_given() -> None:
    """
    A pair of no future and a function is called in the connection's thread.

    The driver's file of the SQLite dialect gives its work to connections in this way.
    """
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    connection: Any
    async with aiosqlite.connect(":memory:") as connection, asyncio.timeout(60):
        call = (None, lambda: loop.call_soon_threadsafe(called.set))
        connection._tx.put_nowait(call)
        await called.wait()
