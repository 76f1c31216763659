"""
Connections of ``sqlite3``, as aiosqlite has them, whose every statement is a point.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any, Self, cast

from asm_async.testing.faults.fault_points import FaultPoints, Point
from asm_async.testing.faults.moment import Moment

__all__ = ["watched_sqlite"]


def watched_sqlite(
    points: FaultPoints, base: type[sqlite3.Connection] = sqlite3.Connection
) -> type[sqlite3.Connection]:
    """
    Make a class of connections each of whose statements is a fault point.

    They must run in another thread than the event loop, as those of aiosqlite do.

    Args:
        points: Where to tell what shall happen.

        base: The class to derive from.

    Returns:
        What to give to ``sqlite3.connect``, or ``aiosqlite.connect``, as ``factory``.
    """
    namespace = {"points": points}
    return cast(
        "type[sqlite3.Connection]",
        type("WatchedConnection", (_WatchedConnection, base), namespace),
    )


class _WatchedConnection(sqlite3.Connection):
    """
    A connection whose statements all go through :meth:`exchange`.
    """

    points: FaultPoints

    def exchange(self, statement: str, send: Callable[[], object]) -> None:
        """
        Carry a statement out, with whatever shall happen to it.
        """
        point = partial(Point, statement=statement, connection=self, cut=self.close)
        self.points.reach_in_thread(point(moment=Moment.BEFORE_SEND))
        send()
        self.points.reach_in_thread(point(moment=Moment.AFTER_SEND))
        self.points.reach_in_thread(point(moment=Moment.BEFORE_ANSWER))
        # This raises if the connection was closed meanwhile.
        _ = self.in_transaction

    def cursor(self, factory: Any = None) -> Any:
        """
        Make a cursor that is watched, unless it is to be another.
        """
        return super().cursor(_WatchedCursor if factory is None else factory)

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        """
        Execute a statement.
        """
        return cast("sqlite3.Cursor", self.cursor().execute(sql, *args))

    def executemany(self, sql: str, *args: Any) -> sqlite3.Cursor:
        """
        Execute a statement for many sets of parameters.
        """
        return cast("sqlite3.Cursor", self.cursor().executemany(sql, *args))

    def commit(self) -> None:
        """
        Commit, which is a statement if there is a transaction.
        """
        if self.in_transaction:
            self.exchange("COMMIT", super().commit)

    def rollback(self) -> None:
        """
        Roll back, which is a statement if there is a transaction.
        """
        if self.in_transaction:
            self.exchange("ROLLBACK", super().rollback)


class _WatchedCursor(sqlite3.Cursor):
    """
    A cursor of such a connection.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        """
        Execute a statement.
        """
        self._exchange(sql, partial(super().execute, sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Any, /) -> Self:
        """
        Execute a statement for many sets of parameters.
        """
        self._exchange(sql, partial(super().executemany, sql, parameters))
        return self

    def _exchange(self, sql: str, send: Callable[[], object]) -> None:
        cast("_WatchedConnection", self.connection).exchange(sql, send)
