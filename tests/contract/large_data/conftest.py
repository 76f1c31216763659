"""
Ports in memory that keep all they can elsewhere; the session ``coded`` has databases.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from asm_async.artifacts import LargeDataCoder
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.backend import RecordingBackend
from tests.backends import InMemoryBackend
from tests.coded_ports import CodedBackend, without_counted_lines


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what counts the lines of an export on their way.
    """
    items[:] = without_counted_lines(items, Path(__file__).parent)


@pytest.fixture
def backend() -> RecordingBackend:
    """
    Return a backend in memory, behind ports that keep every member elsewhere.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore(), above=0)
    return cast("RecordingBackend", CodedBackend(InMemoryBackend(), coder))
