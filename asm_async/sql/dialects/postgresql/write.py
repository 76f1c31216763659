"""
One group's transaction on PostgreSQL: one round trip where nothing is unusual.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache, partial
from hashlib import blake2b
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
from asm_async.sql.dialects.postgresql.append_statements import append_one
from asm_async.sql.dialects.postgresql.block_statement import block_statement
from asm_async.sql.dialects.postgresql.driver import (
    Driver,
    caches_statements,
    has_broken_transaction,
    in_task,
    may_be_sent,
    milliseconds,
    roll_back,
)
from asm_async.sql.dialects.postgresql.text_columns import joined

T = TypeVar("T")

_PERSON = b"asm_async"

# What the slow path is for: NOT NULL (no living gate), a taken id, a server whose
# default isolation is stricter than READ COMMITTED, and a tag that a database which is
# not in UTF-8 cannot read out of JSON.
_UNUSUAL = frozenset({"22P05", "23502", "23505", "40001"})

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


@lru_cache(4096)
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

TEXT_INDEX_KEY = _key(b"text_index", "")
"""
What an indexer of texts locks, and those share who remove what it may be indexing.
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
        open forever, and begins savepoints in.
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
    try:
        return await _write_usual_or_whole(driver, work, timeout)
    except AttributeError as error:
        # Between the two messages of a statement asyncpg does not ask whether the
        # connection was terminated, and misses what it has let go of then. A COMMIT is
        # one message.
        if not driver.is_closed():
            raise
        raise StorageUnavailableError("the connection was given up") from error


async def _write_usual_or_whole(
    driver: Driver, work: GroupWork[T], timeout: float
) -> Committed[T]:
    await roll_back(driver)
    committed: Committed[T] | None = None
    has_block = work.block is not None or work.items is not None
    if has_block and (work.rest is not None or _needs_second_look(work.items)):
        committed = await _in_transaction(driver, work, timeout, with_block=True)
    elif has_block and caches_statements(driver):
        committed = await _write_block(driver, work, timeout, committing=True)
    if committed is None:
        committed = await _in_transaction(driver, work, timeout, with_block=False)
    return cast("Committed[T]", committed)


def _needs_second_look(items: ItemBlock | None) -> bool:
    """
    Return whether items must be seen by a statement that begins with the locks taken.

    One that waits for them sees what was there before, and of that what it locks as it
    is now. An item that has come since is not seen, and one that must have a revision
    is missed then; but not one of which nobody knows whether it is there.
    """
    return items is not None and any(not check.expected for check in items.checks)


async def _write_block(
    driver: Driver, work: GroupWork[T], timeout: float, *, committing: bool
) -> Committed[T] | None:
    """
    Append and save in one statement.

    Args:
        driver: Where to.

        work: What has the blocks.

        timeout: How long, in seconds, to wait for locks.

        committing: Whether it commits by itself, since no transaction is open.

    Returns:
        What was written; None if something about it is unusual.
    """
    block, items = work.block, work.items
    try:
        if block is not None and items is None and _is_one(block):
            return await _append_one(driver, block, timeout)
        return await _write_together(driver, block, items, timeout)
    except AttributeError:
        # It was prepared and not sent: see _write_group.
        raise
    except Exception as error:
        if getattr(error, "sqlstate", None) in _UNUSUAL:
            return None
        if driver.is_closed():
            unknown = committing and may_be_sent(error)
            raise StorageUnavailableError(
                f"the connection was lost: {error}", outcome_unknown=unknown
            ) from error
        with translated_errors(committing=committing):
            raise


def _is_one(block: AppendBlock) -> bool:
    is_saved = block.saved_sessions or block.saved_runs
    return len(block.rows) == 1 and len(block.runs) <= 1 and not is_saved


async def _append_one(
    driver: Driver, block: AppendBlock, timeout: float
) -> Committed[Any]:
    """
    Append the one event of a block in one statement.
    """
    keys, wait = session_lock_keys(block.counts), milliseconds(timeout)
    values = list(block.rows[0])
    values[_NUMBER] = block.expected.get(values[_SESSION_ID])
    for run_id, (_, revision) in block.runs.items():
        values += (run_id, revision)
    values += block.tenants.values()
    statement = append_one(has_tenant=bool(block.tenants), has_run=bool(block.runs))
    found = await driver.fetch(statement, wait, keys[0], *values)
    return Committed(latest=dict(cast("Any", found)), result=None)


async def _write_together(
    driver: Driver, block: AppendBlock | None, items: ItemBlock | None, timeout: float
) -> Committed[Any] | None:
    """
    Write a block, and save items behind it, in one statement.

    Returns:
        What was written; None if that cannot be told apart.
    """
    made = block_statement(block, items)
    if made is None:
        return None
    statement, columns = made
    locks: set[str] = set() if block is None else {*block.counts}
    if items is not None:
        locks |= items.locks
    keys, wait = joined(session_lock_keys(locks)), milliseconds(timeout)
    latest: dict[str, int] = {}
    revisions: dict[Name, int] = {}
    saved_sessions: dict[str, int] = {}
    saved_runs: dict[str, int] = {}
    saved_at: datetime | None = None
    found = await driver.fetch(statement, wait, keys, *columns)
    for name, key, number, moment in cast("Any", found):
        if moment is not None:
            saved_sessions[name], saved_at = number, moment
        elif key is None:
            latest[name] = number
        elif name is None:
            saved_runs[key] = number
        else:
            revisions[name, key] = number
    return Committed(
        latest=latest,
        result=None,
        revisions=revisions,
        saved_sessions=saved_sessions,
        saved_at=saved_at,
        saved_runs=saved_runs,
    )


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
        make_script: Callable[[], Script[T]] | None = work.whole
        if with_block:
            written = await _write_block(driver, work, timeout, committing=False)
            if written is None:
                await roll_back(driver)
                return None
            make_script = work.rest
        result = (
            None if make_script is None else await _do_script(driver, make_script())
        )
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
