"""
Consoles over each kind of database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.integration.console.serving import Console, open_console


@pytest.fixture
async def console(served_url: str | None) -> AsyncGenerator[Console]:
    """
    Serve a console over each kind of database in turn.
    """
    async with open_console(served_url) as console:
        yield console


@pytest.fixture
async def memory_console() -> AsyncGenerator[Console]:
    """
    Serve a console over no database, where the routes alone are in question.
    """
    async with open_console(None) as console:
        yield console


@pytest.fixture
async def writable_console(served_url: str | None) -> AsyncGenerator[Console]:
    """
    Serve a console that may write, over each kind of database in turn.
    """
    async with open_console(served_url, read_only=False) as console:
        yield console
