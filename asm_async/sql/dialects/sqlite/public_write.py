"""
Groups and reads through the driver's public interface: one hop for each statement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar, cast

from asm_async.sql.core.error_translation import translated_errors
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.dialects.direct import Committed, Done, GroupWork

T = TypeVar("T")


class _PublicDriver(Protocol):
    """
    What of aiosqlite's connection is used.
    """

    in_transaction: bool

    async def execute_fetchall(
        self, sql: str, parameters: Iterable[Any] | None = None
    ) -> Iterable[Row]: ...

    async def executemany(
        self, sql: str, parameters: Iterable[Iterable[Any]]
    ) -> Any: ...


async def fetch_by_hops(driver: _PublicDriver, step: Step) -> Sequence[Row]:
    """
    Do what ``DirectDialect.fetch`` says, without the driver's private names.
    """
    if driver.in_transaction:
        await driver.execute_fetchall("ROLLBACK")
    return list(await driver.execute_fetchall(step.sql, step.parameters))


async def write_by_hops(
    driver: _PublicDriver, work: GroupWork[T], done: Done[T]
) -> None:
    """
    Do what ``DirectDialect.start_group`` says, without the driver's private names.
    """
    committed: Committed[T] | None = None
    failure: BaseException | None = None
    try:
        committed = await _do_by_hops(driver, work)
    except BaseException as error:  # noqa: BLE001 - the caller is told
        failure = error
    done(committed, failure)


async def _do_by_hops(driver: _PublicDriver, work: GroupWork[T]) -> Committed[T]:
    if driver.in_transaction:
        await driver.execute_fetchall("ROLLBACK")
    try:
        await driver.execute_fetchall("BEGIN IMMEDIATE")
        result = await _do_script_by_hops(driver, work.whole())
        with translated_errors(committing=True):
            await driver.execute_fetchall("COMMIT")
        return Committed(latest=None, result=result)
    except BaseException as error:
        try:
            if driver.in_transaction:
                await driver.execute_fetchall("ROLLBACK")
        except sqlite3.Error as second:
            error.add_note(f"and it could not be rolled back: {second!r}")
        raise


async def _do_script_by_hops(driver: _PublicDriver, script: Script[T]) -> T:
    rows: Any = None
    while True:
        try:
            step = script.send(rows)
        except StopIteration as end:
            return cast("T", end.value)
        for each in (step,) if isinstance(step, Step) else step:
            if each.is_many:
                await driver.executemany(each.sql, each.parameters)
            else:
                found = await driver.execute_fetchall(each.sql, each.parameters)
                rows = list(found)
