"""
Databases that hold what is encrypted.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql import SQLPorts, create_engine
from tests.encryption.databases import Encrypted


@pytest.fixture
async def engine(url: str) -> AsyncGenerator[AsyncEngine]:
    """
    Yield an engine on a database of each kind in turn.
    """
    made = create_engine(url)
    yield made
    await made.dispose()


@pytest.fixture
async def encrypted(engine: AsyncEngine) -> AsyncGenerator[Encrypted]:
    """
    Yield a database that is empty at first.
    """
    async with SQLPorts(engine) as raw:
        yield Encrypted(raw)
