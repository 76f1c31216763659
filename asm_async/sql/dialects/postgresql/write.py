"""
One group's transaction on PostgreSQL: one round trip where nothing is unusual.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import chain
from typing import Any, TypeVar, cast

import attrs

from asm_async.errors import StorageUnavailableError
from asm_async.fronts.saving_items import Name
from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.core.rows import EVENT_COLUMNS
from asm_async.sql.dialects.direct import (
    AppendBlock,
    Committed,
    DirectDialect,
    Done,
    GroupWork,
    ItemBlock,
)
from asm_async.sql.dialects.postgresql.append_statements import (
    append_and_save,
    append_many,
    append_one,
    save_items,
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
    has_block = work.block is not None or work.items is not None
    if has_block and work.rest is not None:
        committed = await _in_transaction(driver, work, timeout, with_block=True)
    elif has_block and caches_statements(driver):
        committed = await _write_block(driver, work, timeout)
    if committed is None:
        committed = await _in_transaction(driver, work, timeout, with_block=False)
    return cast("Committed[T]", committed)


async def _write_block(
    driver: Driver, work: GroupWork[T], timeout: float
) -> Committed[T] | None:
    """
    Append and save in one statement, which outside of a transaction commits by itself.

    Returns:
        What was written; None if something about it is unusual.
    """
    block, items = work.block, work.items
    try:
        if items is not None:
            return await _save(driver, block, items, timeout)
        latest = await _append(driver, cast("AppendBlock", block), timeout)
        return None if latest is None else Committed(latest=latest, result=None)
    except Exception as error:
        if getattr(error, "sqlstate", None) in _UNUSUAL:
            return None
        if driver.is_closed():
            raise StorageUnavailableError(
                f"the connection was lost: {error}", outcome_unknown=True
            ) from error
        with translated_errors(committing=True):
            raise


async def _append(
    driver: Driver, block: AppendBlock, timeout: float
) -> Mapping[str, int] | None:
    """
    Append a block in one statement.

    Returns:
        The latest number of each session; None if that cannot be told apart.
    """
    if _is_split(block.tenants.values()):
        return None
    keys, wait = session_lock_keys(block.counts), milliseconds(timeout)
    if len(block.rows) == 1:
        values = list(block.rows[0])
        values[_NUMBER] = block.expected.get(values[_SESSION_ID])
        values += block.tenants.values()
        statement = append_one(has_tenant=bool(block.tenants))
        return dict(cast("Any", await driver.fetch(statement, wait, keys[0], *values)))
    parameters = [_column(keys), *_columns_of(block)]
    return dict(cast("Any", await driver.fetch(append_many(), wait, *parameters)))


async def _save(
    driver: Driver, block: AppendBlock | None, items: ItemBlock, timeout: float
) -> Committed[Any] | None:
    """
    Save items in one statement, behind a block of events if there is one.

    Returns:
        What was written; None if that cannot be told apart.
    """
    names = {(row.item.scope, row.item.key): row for row in items.rows}
    operation_ids = [row.operation_id for row in items.rows]
    texts = [*chain.from_iterable(names), *items.session_ids, *operation_ids]
    if _is_split(texts) or (block is not None and _is_split(block.tenants.values())):
        return None
    counts: Mapping[str, int] = {} if block is None else block.counts
    parameters: list[object] = [_column(session_lock_keys(items.locks.union(counts)))]
    if block is not None:
        parameters += _columns_of(block)
    parameters += [_column(list(items.session_ids.difference(counts))), items.at]
    parameters += [_column(column) for column in zip(*names, strict=True)]
    parameters += [
        _column([row.text for row in items.rows]),
        [row.item.content for row in items.rows],
        _column([row.item.session_id for row in items.rows]),
        _column([row.expected for row in items.rows]),
        _column(operation_ids),
    ]
    statement = save_items() if block is None else append_and_save()
    found = await driver.fetch(statement, milliseconds(timeout), *parameters)
    latest: dict[str, int] = {}
    revisions: dict[Name, int] = {}
    for name, key, number in cast("Any", found):
        if key is None:
            latest[name] = number
        else:
            revisions[name, key] = number
    return Committed(latest=latest, result=None, revisions=revisions)


def _columns_of(block: AppendBlock) -> list[object]:
    columns: list[Sequence[object]] = [
        [*block.counts],
        [*block.counts.values()],
        [block.expected.get(name) for name in block.counts],
        [block.tenants.get(name) for name in block.counts],
        *zip(*block.rows, strict=True),
    ]
    return [_column(column) for column in columns]


def _is_split(texts: Iterable[str]) -> bool:
    """
    Return whether a text holds what separates the members of a column.

    Split at it, its parts would be taken for those of others.
    """
    return any(_SEPARATOR in text for text in texts)


def _column(values: Sequence[object]) -> object:
    """
    Write a column as the server splits it; None is no text at all.
    """
    if values and isinstance(values[0], datetime):
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
        written: Committed[T] | None = None
        script = work.whole()
        if with_block:
            written = await _write_block(driver, work, timeout)
            if written is None:
                await roll_back(driver)
                return None
            script = cast("Script[T]", work.rest and work.rest())
        result = await _do_script(driver, script)
        with translated_errors(committing=True):
            await driver.execute("COMMIT;")
        if written is None:
            return Committed(latest=None, result=result)
        return attrs.evolve(written, result=result)
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
