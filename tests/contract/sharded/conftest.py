"""
Ports over several SQLite files; the session ``sharding`` has all suites and databases.
"""

from __future__ import annotations

import shutil
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
async def backend(
    sqlite_shards: list[Path], tmp_path: Path
) -> AsyncGenerator[RecordingBackend]:
    """
    Yield a backend over three files.
    """
    urls = [
        f"sqlite+aiosqlite:///{shutil.copy(path, tmp_path / path.name)}"
        for path in sqlite_shards
    ]
    async with sharded_backend(urls) as backend:
        yield cast("RecordingBackend", backend)
