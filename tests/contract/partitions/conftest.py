"""
A database with partitions; the session ``partitions`` runs the suites whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from asm_async.testing.backend import QueryAPIBackend
from tests.backends import SQLBackend

LEFT_OUT = frozenset(
    {
        "test_a_page_of_no_items_leads_nowhere",
        "test_agents_at_work_raise_no_false_alarm",
        "test_what_stays_is_found_once_while_others_come_and_go",
    }
)
"""
Tests whose statements others here send as well, which the session ``partitions`` runs.
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what the session ``partitions`` runs.
    """
    items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item: pytest.Item) -> bool:
    is_here = item.path.parent == Path(__file__).parent
    return is_here and getattr(item, "originalname", item.name) in LEFT_OUT


@pytest.fixture
async def backend(partitioned_url: str) -> AsyncGenerator[QueryAPIBackend]:
    """
    Yield the backend that the contract suites run over.
    """
    async with SQLBackend(partitioned_url) as backend:
        yield backend
