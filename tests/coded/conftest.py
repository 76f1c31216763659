"""
Ports on every database, behind coded ones of each kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from asm_async.artifacts import LargeDataCoder
from asm_async.coded import Coder
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.backend import RecordingBackend
from tests.coded_ports import CodedBackend, Hiding, without_counted_lines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what counts the lines of an export on their way.
    """
    items[:] = without_counted_lines(items, Path(__file__).parent)


@pytest.fixture(params=["hiding", "large_data"])
def coder(request: pytest.FixtureRequest) -> Coder:
    """
    Return each coder: one that hides JSON, and one that keeps members elsewhere.
    """
    if request.param == "hiding":
        return Hiding()
    return LargeDataCoder(contents=InMemoryArtifactStore(), above=0)


@pytest.fixture
def backend(backend: RecordingBackend, coder: Coder) -> RecordingBackend:
    """
    Return each backend in turn, behind coded ports.
    """
    return cast("RecordingBackend", CodedBackend(backend, coder))
