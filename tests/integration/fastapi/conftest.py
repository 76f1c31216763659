"""
Served applications, over each kind of database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.integration.fastapi.serving import Service, open_service


@pytest.fixture
async def service(served_url: str | None) -> AsyncGenerator[Service]:
    """
    Serve an application over each kind of database in turn.
    """
    async with open_service(served_url) as service:
        yield service


@pytest.fixture
async def memory_service() -> AsyncGenerator[Service]:
    """
    Serve an application over no database, where the routes alone are in question.
    """
    async with open_service(None) as service:
        yield service
