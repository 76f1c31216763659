"""
Ports over several SQLite files, and over several databases of one PostgreSQL server.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

import pytest

from asm_async.testing.backend import RecordingBackend
from tests.sharded_ports import expect_sharded_refusals, sharded_backend


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Expect what ports over several primaries refuse, and what they cannot promise.
    """
    expect_sharded_refusals(items, Path(__file__).parent)


@pytest.fixture
async def backend(shard_urls: list[str]) -> AsyncGenerator[RecordingBackend]:
    """
    Yield each backend in turn.
    """
    async with sharded_backend(shard_urls) as backend:
        yield cast("RecordingBackend", backend)
