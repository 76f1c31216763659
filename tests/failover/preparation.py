"""
The tables that a campaign needs.
"""

from __future__ import annotations

import sqlalchemy as sa

from asm_async.sql import create_engine, migrations
from tests.failover.followers import HANDLED

__all__ = ["make_tables"]


async def make_tables(url: str) -> None:
    """
    Make ours, and one for what consumers handle.
    """
    engine = create_engine(url)
    await migrations.upgrade(engine)
    async with engine.begin() as conn:
        await conn.execute(sa.text(HANDLED))
    await engine.dispose()
