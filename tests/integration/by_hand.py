"""
What is written to a database past the stores, and what a health check says of it.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLMaintenance
from asm_async.values.maintenance import HealthIssueKind

__all__ = ["execute", "issues_of"]


async def execute(engine: AsyncEngine, *statements: sa.Executable) -> None:
    """
    Write past the store.
    """
    async with engine.begin() as conn:
        for statement in statements:
            await conn.execute(statement)


async def issues_of(engine: AsyncEngine) -> set[tuple[HealthIssueKind, str]]:
    """
    Look for damage; how durable the server is set does not matter here.
    """
    found = await SQLMaintenance(engine).health_check()
    issues = {(issue.kind, issue.subject) for issue in found}
    return {one for one in issues if one[0] is not HealthIssueKind.WEAK_DURABILITY}
