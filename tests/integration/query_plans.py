"""
What a database is asked, and how it would go about it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.sql.core.prepared import Prepared, Step

__all__ = [
    "RowsOf",
    "Statement",
    "analyse",
    "generic_plan",
    "insert_rows",
    "is_scan",
    "is_sort",
    "statements_of",
    "steps_of",
]

RowsOf: TypeAlias = tuple[sa.Table, list[dict[str, Any]]]
"""
A table and what is to stand in it.
"""

Statement: TypeAlias = tuple[str, Any]
"""
What the driver gets: text and parameters.
"""


async def insert_rows(engine: AsyncEngine, tables: Iterable[RowsOf]) -> None:
    """
    Fill tables, all in one transaction.
    """
    async with engine.begin() as conn:
        for table, rows in tables:
            await conn.execute(sa.insert(table), rows)


async def analyse(engine: AsyncEngine) -> None:
    """
    Let the database look at what its tables hold.
    """
    async with engine.connect() as conn:
        await conn.exec_driver_sql("ANALYZE")
        await conn.commit()


@contextmanager
def statements_of(engine: AsyncEngine) -> Generator[list[Statement]]:
    """
    Take down what is asked of the database, as the driver gets it.

    Through SQLAlchemy, or past it by a statement that was prepared.
    """
    taken: list[Statement] = []
    one = Prepared.one

    def take_down_prepared(query: Prepared, values: Mapping[str, Any]) -> Step:
        step = one(query, values)
        if not step.sql.lstrip().startswith("INSERT"):
            taken.append((step.sql, step.parameters))
        return step

    def take_down_many(query: Prepared, values: Iterable[Mapping[str, Any]]) -> Step:
        (first, *others) = [take_down_prepared(query, each) for each in values]
        if not others:
            return first
        bound = [step.parameters for step in (first, *others)]
        return Step(query.sql, bound, is_many=True)

    def take_down(*told: Any) -> None:
        _, _, statement, parameters, _, is_many = told
        if "asm_" in statement and not statement.lstrip().startswith("INSERT"):
            taken.append((statement, parameters[0] if is_many else parameters))

    sa_event.listen(engine.sync_engine, "before_cursor_execute", take_down)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Prepared, "one", take_down_prepared)
        patch.setattr(Prepared, "many", take_down_many)
        yield taken
    sa_event.remove(engine.sync_engine, "before_cursor_execute", take_down)


def postgres_steps(plan: dict[str, Any]) -> Iterator[str]:
    """
    Yield a plan's steps: what is done, with which table and which index.
    """
    names = ("Node Type", "Relation Name", "Index Name")
    yield " ".join(str(plan[name]) for name in names if name in plan)
    for part in plan.get("Plans", ()):
        yield from postgres_steps(part)


async def steps_of(engine: AsyncEngine, statement: Statement) -> list[str]:
    """
    Ask the database how it would carry a statement out.
    """
    text, parameters = statement
    async with engine.connect() as conn:
        if engine.dialect.name == "sqlite":
            plan = await conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            return [row.detail for row in plan]
        explain = f"EXPLAIN (FORMAT JSON) {text}"
        found = (await conn.exec_driver_sql(explain, parameters)).scalar_one()
        (plan,) = json.loads(found) if isinstance(found, str) else found
        return list(postgres_steps(plan["Plan"]))


def is_scan(step: str) -> bool:
    """
    Return whether a step reads a whole table of ours.
    """
    if step.startswith("SCAN asm_"):
        return " USING " not in step
    return step.startswith("Seq Scan asm_")


def is_sort(step: str) -> bool:
    """
    Return whether a step sorts all that it was given.

    An incremental sort does not: it puts those in order that are equal in the order of
    an index, as soon as it has them.
    """
    is_incremental = "Incremental Sort" in step
    return "TEMP B-TREE" in step or ("Sort" in step and not is_incremental)


async def generic_plan(conn: AsyncConnection, statement: str) -> list[str]:
    """
    Return the lines of PostgreSQL's plan for a statement, whatever its parameters are.
    """
    await conn.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
    await conn.exec_driver_sql(f"PREPARE planned AS {statement}")
    count = await conn.scalar(
        sa.text(
            "SELECT cardinality(parameter_types) FROM pg_prepared_statements"
            " WHERE name = 'planned'"
        )
    )
    arguments = ", ".join(["NULL"] * int(str(count)))
    explain = f"EXPLAIN EXECUTE planned ({arguments})"
    return list((await conn.exec_driver_sql(explain)).scalars())
