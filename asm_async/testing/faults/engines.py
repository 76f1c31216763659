"""
Engines of SQLAlchemy's whose connections are watched, also where they are borrowed.

This alone of the package needs SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

import attrs
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

from asm_async.testing.faults.fault_points import FaultPoints, Point
from asm_async.testing.faults.moment import Moment
from asm_async.testing.faults.watched_asyncpg import watch_asyncpg
from asm_async.testing.faults.watched_sqlite import watched_sqlite

__all__ = ["watched_engine"]


@contextmanager
def watched_engine(engine: AsyncEngine) -> Generator[FaultPoints]:
    """
    Make every exchange of the connections that *engine* makes now a fault point.

    It is the driver's connections that are watched, so that it does not matter whether
    a statement goes through SQLAlchemy. Those that the engine has made before are not
    watched: dispose of it first. Those that it makes meanwhile go on being watched
    afterwards, and nothing happens to them any more.

    Args:
        engine: On aiosqlite or asyncpg.

    Yields:
        Where to say what shall happen.
    """
    points, driver = FaultPoints(), _DRIVERS[engine.dialect.driver]

    def connect(dialect: Any, _: object, args: Any, options: Any) -> Any:
        return _connect(points, driver, partial(dialect.connect, *args), options)

    sa_event.listen(engine.sync_engine, "do_connect", connect)
    try:
        yield points
    finally:
        points.disarm()
        sa_event.remove(engine.sync_engine, "do_connect", connect)


@attrs.frozen
class _Driver:
    """
    How the connections of a driver are watched.
    """

    options: Callable[[FaultPoints], Mapping[str, Any]]
    """
    What to have a connection made with.
    """

    watch: Callable[[Any, FaultPoints], None]
    """
    What to do to one that was made.
    """

    give_up: Callable[[Any], object]
    """
    How to close one without waiting.
    """


_DRIVERS: Mapping[str, _Driver] = MappingProxyType(
    {
        "aiosqlite": _Driver(
            options=lambda points: {"factory": watched_sqlite(points)},
            watch=lambda _connection, _points: None,
            give_up=lambda connection: connection.stop(),
        ),
        "asyncpg": _Driver(
            options=lambda _: {},
            watch=watch_asyncpg,
            give_up=lambda connection: connection.terminate(),
        ),
    }
)


def _connect(
    points: FaultPoints,
    driver: _Driver,
    connect: Callable[..., Any],
    options: Mapping[str, Any],
) -> Any:
    def reach(moment: Moment, connection: Any, cut: Callable[[], object]) -> None:
        point = Point(
            statement="CONNECT", moment=moment, connection=connection, cut=cut
        )
        await_only(points.reach(point))

    # There is no connection to break yet.
    reach(Moment.BEFORE_SEND, None, lambda: None)
    adapted = connect(**options, **driver.options(points))
    connection = adapted.driver_connection
    give_up = partial(driver.give_up, connection)
    try:
        for moment in (Moment.AFTER_SEND, Moment.BEFORE_ANSWER):
            reach(moment, connection, give_up)
    except BaseException:
        give_up()
        raise
    driver.watch(connection, points)
    return adapted
