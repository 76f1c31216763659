"""
One group's transaction on PostgreSQL: one round trip where nothing is unusual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, TypeVar, cast

from asm_async.errors import StorageUnavailableError
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.core.rows import EVENT_COLUMNS
from asm_async.sql.dialects.direct import (
    AppendBlock,
    Committed,
    DirectDialect,
    Done,
    GroupWork,
)
from asm_async.sql.dialects.postgresql.append_statements import (
    append_many,
    append_one,
)
from asm_async.sql.dialects.postgresql.driver import (
    Driver,
    caches_statements,
    has_broken_transaction,
    in_task,
    milliseconds,
    roll_back,
)

T = TypeVar("T")

_SEPARATOR = chr(31)
_PERSON = b"asm_async"

# What the slow path is for: NOT NULL (no living gate), a taken id, and a server whose
# default isolation is stricter than READ COMMITTED.
_UNUSUAL = frozenset({"23502", "23505", "40001"})

_SESSION_ID, _NUMBER = map(EVENT_COLUMNS.index, ("session_id", "sequence_number"))

_PLACE = re.compile(r"\$(\d+)")

_BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL lock_timeout = '{}';
    SELECT count(pg_advisory_xact_lock(key)) FROM unnest('{{{}}}'::bigint[]) AS key
"""


_NEW_REVISIONS = """
    SELECT nextval('asm_state_items_revision_seq') FROM generate_series(1, $1::bigint)
"""


def _key(namespace: bytes, name: str) -> int:
    """
    Hash *name* to a signed 64-bit integer.

    Every process that writes to one database must compute the same key, so neither the
    algorithm nor the namespace may ever change. A collision costs waiting, no more: the
    counter row is what numbers rest on.
    """
    digest = blake2b(name.encode(), digest_size=8, person=_PERSON, salt=namespace)
    return int.from_bytes(digest.digest(), "big", signed=True)


MIGRATIONS_KEY = _key(b"migrations", "")
"""
What a migration locks.
"""


def session_lock_keys(session_ids: Iterable[str]) -> list[int]:
    """
    Return the keys of some sessions or scopes, in the order in which all must lock.

    It is the order of the keys, not that of the ids: two sessions may share a key, and
    by id two transactions could then wait for each other.
    """
    return sorted({_key(b"session", session_id) for session_id in session_ids})


class PostgreSQLDirect(DirectDialect):
    """
    Sends one statement that commits by itself where that goes: one round trip.
    """

    def is_lost(self, driver: object) -> bool:
        """
        Ask the driver, which knows once it has tried.

        A BEGIN that failed leaves it with a transaction that it takes to be
        open for ever, and begins savepoints in.
        """
        own = cast("Driver", driver)
        # One that was terminated cannot even be asked for a transaction.
        return own.is_closed() or own.is_in_transaction() or has_broken_transaction(own)

    def interrupt(self, driver: Any) -> None:
        cast("Driver", driver).terminate()

    def start_group(
        self, driver: Any, work: GroupWork[T], timeout: float, done: Done[T]
    ) -> None:
        """
        Send one autocommitted statement where that goes: one round trip.
        """
        in_task(_write_group(driver, work, timeout), done)

    def new_revisions(self, count: int) -> Step:
        """
        Take them from the column's sequence, which leaves gaps where a group fails.
        """
        return Step(_NEW_REVISIONS, (count,))

    async def fetch(self, driver: Any, step: Step) -> Sequence[Row]:
        """
        Fetch the rows in one round trip, where the statement stays prepared.
        """
        own = cast("Driver", driver)
        if own.is_closed():
            raise StorageUnavailableError("the server closed the connection")
        await roll_back(own)
        if caches_statements(own):
            return await own.fetch(step.sql, *step.parameters)
        # Behind a pooler only a transaction keeps two round trips on one server.
        await own.execute("BEGIN READ ONLY")
        try:
            return await own.fetch(step.sql, *step.parameters)
        finally:
            await roll_back(own)


async def _write_group(
    driver: Driver, work: GroupWork[T], timeout: float
) -> Committed[T]:
    if driver.is_closed():
        raise StorageUnavailableError("the server closed the connection")
    await roll_back(driver)
    committed: Committed[T] | None = None
    if work.block is not None and work.rest is not None:
        committed = await _in_transaction(driver, work, timeout, with_block=True)
    elif work.block is not None and caches_statements(driver):
        latest = await _append(driver, work.block, timeout)
        committed = None if latest is None else Committed(latest=latest, result=None)
    if committed is None:
        committed = await _in_transaction(driver, work, timeout, with_block=False)
    return cast("Committed[T]", committed)


async def _append(
    driver: Driver, block: AppendBlock, timeout: float
) -> Mapping[str, int] | None:
    """
    Append a block in one statement, which outside of a transaction commits by itself.

    Returns:
        The latest number of each session; None if something about it is unusual.
    """
    keys = session_lock_keys(block.counts)
    if any(_SEPARATOR in tenant_id for tenant_id in block.tenants.values()):
        # Split at it, its parts would be compared with other sessions' tenants.
        return None
    try:
        if len(block.rows) == 1:
            values = list(block.rows[0])
            values[_NUMBER] = block.expected.get(values[_SESSION_ID])
            values += block.tenants.values()
            statement = append_one(has_tenant=bool(block.tenants))
            found = await driver.fetch(
                statement, milliseconds(timeout), keys[0], *values
            )
        else:
            columns: list[Sequence[object]] = [keys, [*block.counts]]
            columns.append([*block.counts.values()])
            columns.append([block.expected.get(name) for name in block.counts])
            columns.append([block.tenants.get(name) for name in block.counts])
            columns += zip(*block.rows, strict=True)
            found = await driver.fetch(
                append_many(), milliseconds(timeout), *map(_column, columns)
            )
    except Exception as error:
        if getattr(error, "sqlstate", None) in _UNUSUAL:
            return None
        if driver.is_closed():
            raise StorageUnavailableError(
                f"the connection was lost: {error}", outcome_unknown=True
            ) from error
        with translated_errors(committing=True):
            raise
    return dict(cast("Any", found))


def _column(values: Sequence[object]) -> object:
    """
    Write a column as the server splits it; None is no text at all.
    """
    if isinstance(values[0], datetime):
        return values
    return _SEPARATOR.join(["" if value is None else str(value) for value in values])


async def _in_transaction(
    driver: Driver, work: GroupWork[T], timeout: float, *, with_block: bool
) -> Committed[T] | None:
    """
    Do one transaction of several statements.

    Args:
        driver: With no transaction open.

        work: What to do.

        timeout: How long, in seconds, to wait for a lock.

        with_block: Whether the block and the rest are done; else it is the whole.

    Returns:
        None if something about the block turned out to be unusual.
    """
    try:
        # Three statements in one round trip. Only at READ COMMITTED does the statement
        # after a lock see what was committed while it was waited for.
        keys = ",".join(map(str, session_lock_keys(work.locks)))
        await driver.execute(_BEGIN.format(milliseconds(timeout), keys))
        latest: Mapping[str, int] | None = None
        script = work.whole()
        if with_block:
            latest = await _append(driver, cast("AppendBlock", work.block), timeout)
            if latest is None:
                await roll_back(driver)
                return None
            script = cast("Script[T]", work.rest and work.rest())
        result = await _do_script(driver, script)
        with translated_errors(committing=True):
            await driver.execute("COMMIT;")
        return Committed(latest=latest, result=result)
    except BaseException as error:
        # What the caller hears of is that, and whether it may be committed; a
        # connection on which a transaction stays open is given up.
        try:
            if not driver.is_closed():
                await roll_back(driver)
        except Exception as second:  # noqa: BLE001 - it is told beside the first
            error.add_note(f"and it could not be rolled back: {second!r}")
        raise


async def _do_script(driver: Driver, script: Script[T]) -> T:
    rows: Any = None
    while True:
        try:
            step = script.send(rows)
        except StopIteration as end:
            return cast("T", end.value)
        if isinstance(step, Step):
            rows = await driver.fetch(step.sql, *step.parameters)
            continue
        single = [each for each in step if not each.is_many]
        if single:
            together = _together(tuple(each.sql for each in single))
            parameters = [value for each in single for value in each.parameters]
            await driver.fetch(together, *parameters)
        for each in step:
            if each.is_many:
                await driver.executemany(each.sql, each.parameters)


@lru_cache(maxsize=64)
def _together(statements: tuple[str, ...]) -> str:
    """
    Write statements that change different tables as one: a single round trip.
    """
    texts, first = list[str](), 0
    for statement in statements:
        numbers = [int(number) for number in _PLACE.findall(statement)]
        texts.append(_PLACE.sub(partial(_moved, first), statement))
        first += max(numbers, default=0)
    *others, last = texts
    names = [f"w{number} AS ({text})" for number, text in enumerate(others)]
    return f"WITH {', '.join(names)} {last}" if names else last


def _moved(first: int, place: re.Match[str]) -> str:
    return f"${first + int(place[1])}"
