"""
One group's transaction, as plain calls of ``sqlite3`` in the connection's own thread.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import attrs

from asm_async.errors import StorageUnavailableError
from asm_async.fronts.saving_items import Name
from asm_async.sql.core.activity import SLACK
from asm_async.sql.core.column_types import EPOCH, MICROSECOND
from asm_async.sql.core.error_translation import requires_reconnect, translated_errors
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.core.rows import EVENT_COLUMNS
from asm_async.sql.dialects.direct import (
    AppendBlock,
    Committed,
    DirectDialect,
    Done,
    GroupWork,
)
from asm_async.sql.dialects.sqlite.append_statements import (
    COUNT_MANY,
    COUNT_ONE,
    MOVE_ACTIVITY,
)
from asm_async.sql.dialects.sqlite.driver import (
    MAX_BUSY_MILLISECONDS,
    file_of,
    find_file,
    has_thread,
    interrupt,
    is_left,
    run,
    start,
)
from asm_async.sql.dialects.sqlite.item_write import save_items
from asm_async.sql.dialects.sqlite.public_write import fetch_by_hops, write_by_hops
from asm_async.sql.dialects.sqlite.saving import save_runs, save_sessions
from asm_async.values.fields import MAX_COUNT

T = TypeVar("T")

_SLACK = SLACK // MICROSECOND

_MAY_COMMIT = "may commit"
_TOO_LATE = "the transaction was given up before it was committed"

# A few sessions are found by key: to unpack a list of them takes longer than that.
_FEW = 3

_RUN_REVISION = "SELECT revision FROM asm_runs WHERE id = ? AND session_id = ?"

_INSERT = f"""
    INSERT INTO asm_events ({", ".join(EVENT_COLUMNS)})
    VALUES ({", ".join("?" * len(EVENT_COLUMNS))})
"""  # noqa: S608 - the names are those of columns

# AUTOINCREMENT counts one by one within a transaction, and nobody else writes.
_LAST_POSITION = "SELECT last_insert_rowid()"

_NEW_REVISIONS = """
    WITH RECURSIVE place(number) AS (
        SELECT 1 UNION ALL SELECT number + 1 FROM place WHERE number < ?
    )
    SELECT number + coalesce(
        (SELECT seq FROM sqlite_sequence WHERE name = 'asm_state_items'), 0
    ) FROM place
"""

_TIME, _SESSION_ID, _NUMBER = map(
    EVENT_COLUMNS.index, ("timestamp", "session_id", "sequence_number")
)


class SQLiteDirect(DirectDialect):
    """
    Does all of a call's work in one hop to the connection's thread.
    """

    def is_lost(self, driver: object) -> bool:
        file = file_of(driver)
        return is_left(driver) or (file is not None and file.is_stale)

    def interrupt(self, driver: Any) -> None:
        """
        Interrupt the statement that runs; the connection stays.
        """
        interrupt(driver)

    def start_group(
        self, driver: Any, work: GroupWork[T], timeout: float, done: Done[T]
    ) -> None:
        """
        Do the whole transaction in one hop to the connection's thread.

        A hop costs more than all the statements together, and the driver's public
        interface makes one for each.
        """
        if not has_thread(driver):
            asyncio.ensure_future(write_by_hops(driver, work, done))  # noqa: RUF006 - it tells done how it ended
            return

        # Whichever takes it decides: the thread that is about to commit, or the loop,
        # which gives it up before that. A list's pop is atomic.
        permit = [_MAY_COMMIT]

        def write(connection: sqlite3.Connection) -> Committed[T]:
            file = find_file(driver, connection)
            file.check()
            try:
                return _write_group(connection, work, permit, file.busy_timeout)
            except Exception as error:
                file.is_stale |= requires_reconnect(error)
                raise

        def written(
            committed: Committed[T] | None, failure: BaseException | None
        ) -> None:
            if isinstance(failure, TimeoutError):
                unknown = not _take(permit)
                failure = StorageUnavailableError(str(failure), unknown)
            done(committed, failure)

        start(driver, write, written)

    def new_revisions(self, count: int) -> Step:
        """
        Count on from where AUTOINCREMENT is; only what is inserted moves it.
        """
        return Step(_NEW_REVISIONS, (count,))

    async def fetch(self, driver: Any, step: Step) -> Sequence[Row]:
        if not has_thread(driver):
            return await fetch_by_hops(driver, step)

        def read(connection: sqlite3.Connection) -> Sequence[Row]:
            file = find_file(driver, connection)
            file.check()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            try:
                return connection.execute(step.sql, step.parameters).fetchall()
            except Exception as error:
                file.is_stale |= requires_reconnect(error)
                raise

        return await run(driver, read)


def _take(permit: list[str]) -> bool:
    """
    Take a permit, and return whether it was there.
    """
    try:
        permit.pop()
    except IndexError:
        return False
    return True


def _write_group(
    connection: sqlite3.Connection,
    work: GroupWork[T],
    permit: list[str],
    busy_timeout: int,
) -> Committed[T]:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    try:
        _begin(connection, busy_timeout)
        committed = _do_block(connection, work)
        if committed is None:
            # The block may have written something before it turned out to be unusual,
            # and a trigger of somebody else's may have rolled that back.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _begin(connection, busy_timeout)
            result = _do_script(connection, work.whole())
            committed = Committed(latest=None, result=result)
        _commit(connection, permit)
    except BaseException as error:
        # What the caller hears of is that, and whether it may be committed.
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error as second:
            error.add_note(f"and it could not be rolled back: {second!r}")
        raise
    return committed


def _begin(connection: sqlite3.Connection, busy_timeout: int) -> None:
    """
    Take the write lock, and do not wait for it longer than can be waited for.
    """
    if busy_timeout <= MAX_BUSY_MILLISECONDS:
        connection.execute("BEGIN IMMEDIATE")
        return
    connection.execute(f"PRAGMA busy_timeout = {MAX_BUSY_MILLISECONDS}")
    try:
        connection.execute("BEGIN IMMEDIATE")
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout}")


def _commit(connection: sqlite3.Connection, permit: list[str]) -> None:
    if not _take(permit):
        raise TimeoutError(_TOO_LATE)
    try:
        connection.execute("COMMIT")
    except sqlite3.Error:
        with translated_errors(committing=True):
            raise


def _do_block(
    connection: sqlite3.Connection, work: GroupWork[T]
) -> Committed[T] | None:
    """
    Append and save the blocks and do the rest.

    Returns:
        None if a session, a run or an item is not as it must be, or an id is taken.
    """
    written: Committed[T] | None
    try:
        if work.block is None:
            written = Committed(latest={}, result=None)
        else:
            written = _write_block(connection, work.block)
    except sqlite3.IntegrityError:
        return None
    if written is None:
        return None
    if work.items is None and work.rest is None:
        return written
    revisions: Mapping[Name, int] = {}
    if work.items is not None:
        saved_items = save_items(connection, work.items)
        if saved_items is None:
            return None
        revisions = saved_items
    if work.rest is None:
        return attrs.evolve(written, revisions=revisions)
    # The events of the rest may belong between those of the block.
    result = _do_script(connection, work.rest())
    return attrs.evolve(
        written, result=result, revisions=revisions, first_position=None
    )


def _write_block(
    connection: sqlite3.Connection, block: AppendBlock
) -> Committed[Any] | None:
    """
    Save the block's sessions and runs, and append its events.

    Returns:
        None if a session or a run is not as it must be.

    Raises:
        sqlite3.IntegrityError: If an id is taken.
    """
    saved_at = datetime.now(UTC)
    now = (saved_at - EPOCH) // MICROSECOND
    sessions: Mapping[str, int] | None = {}
    if block.saved_sessions:
        sessions = save_sessions(connection, block.saved_sessions, now)
    latest = _count(connection, block, now)
    if sessions is None or latest is None or not _are_runs_met(connection, block):
        return None
    runs: Mapping[str, int] | None = {}
    if block.saved_runs:
        runs = save_runs(connection, block.saved_runs)
    if runs is None:
        return None
    first_position: int | None = None
    if block.rows:
        last_position = _insert(connection, _numbered(block, latest))
        first_position = last_position - len(block.rows) + 1
    return Committed(
        latest=latest,
        result=None,
        saved_sessions=sessions,
        saved_at=saved_at,
        saved_runs=runs,
        first_position=first_position,
    )


def _insert(connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> int:
    """
    Insert events, and return the position of the last.
    """
    if len(rows) == 1:
        # The driver tells it of a single row alone.
        return cast("int", connection.execute(_INSERT, rows[0]).lastrowid)
    connection.executemany(_INSERT, rows)
    ((last_position,),) = connection.execute(_LAST_POSITION)
    return cast("int", last_position)


def _count(
    connection: sqlite3.Connection, block: AppendBlock, now: int
) -> Mapping[str, int] | None:
    """
    Count all sessions' new events; None if one is not living, or not as expected.
    """
    counts = block.counts
    latest: dict[str, int] = {}
    tenants: dict[str, str | None] = {}
    until = now + _SLACK
    passed: list[tuple[int, str]] = []
    if len(counts) <= _FEW:
        for session_id, count in counts.items():
            row = connection.execute(COUNT_ONE, (count, now, session_id)).fetchone()
            if row is None:
                return None
            latest[session_id], tenants[session_id], coarse = row
            if coarse is None or not now <= coarse <= until:
                passed.append((until, session_id))
    else:
        rows = connection.execute(COUNT_MANY, (now, json.dumps(counts))).fetchall()
        for session_id, number, tenant_id, coarse in rows:
            latest[session_id], tenants[session_id] = number, tenant_id
            if coarse is None or not now <= coarse <= until:
                passed.append((until, session_id))
        if len(latest) < len(counts):
            return None
    if passed:
        connection.executemany(MOVE_ACTIVITY, passed)
    return latest if _are_as_expected(block, latest, tenants) else None


def _are_runs_met(connection: sqlite3.Connection, block: AppendBlock) -> bool:
    return all(
        connection.execute(_RUN_REVISION, (run_id, session_id)).fetchone()
        == (revision,)
        for run_id, (session_id, revision) in block.runs.items()
    )


def _are_as_expected(
    block: AppendBlock, latest: Mapping[str, int], tenants: Mapping[str, str | None]
) -> bool:
    counts = block.counts
    return (
        max(latest.values()) <= MAX_COUNT
        and all(
            latest[session_id] - counts[session_id] == number
            for session_id, number in block.expected.items()
        )
        and all(
            tenants[session_id] == tenant_id
            for session_id, tenant_id in block.tenants.items()
        )
    )


def _numbered(block: AppendBlock, latest: Mapping[str, int]) -> list[list[Any]]:
    bases = {name: number - block.counts[name] for name, number in latest.items()}
    rows: list[list[Any]] = []
    for values in block.rows:
        row = list(values)
        row[_NUMBER] += bases[row[_SESSION_ID]]
        row[_TIME] = (row[_TIME] - EPOCH) // MICROSECOND
        rows.append(row)
    return rows


def _do_script(connection: sqlite3.Connection, script: Script[T]) -> T:
    rows: Any = None
    while True:
        try:
            step = script.send(rows)
        except StopIteration as end:
            return cast("T", end.value)
        for each in (step,) if isinstance(step, Step) else step:
            if each.is_many:
                connection.executemany(each.sql, each.parameters)
            else:
                rows = connection.execute(each.sql, each.parameters).fetchall()
