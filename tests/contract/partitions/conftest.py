"""
A database with partitions; the session ``partitions`` runs the suites whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from asm_async.testing.backend import QueryAPIBackend
from tests.backends import SQLBackend


@pytest.fixture
async def backend(partitioned_url: str) -> AsyncGenerator[QueryAPIBackend]:
    """
    Yield the backend that the contract suites run over.
    """
    async with SQLBackend(partitioned_url) as backend:
        yield backend
