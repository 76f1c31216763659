"""
Ports that keep every member of an event elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from asm_async.artifacts import LargeDataCoder
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.backend import RecordingBackend
from tests.coded_ports import CodedBackend

# What the suites say of places at which others are told something does not hold here:
# lines are added, and left out, where contents come in or go out.
NOT_HERE = {
    "TestExports::test_progress_is_told_after_each_write",
    "TestImports::test_progress_is_told",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out what does not hold of these ports.
    """
    here = Path(__file__).parent
    items[:] = [
        item
        for item in items
        if here not in item.path.parents
        or item.nodeid.split("::", 1)[1].split("[")[0] not in NOT_HERE
    ]


@pytest.fixture
def backend(backend: RecordingBackend) -> RecordingBackend:
    """
    Return each backend in turn, behind ports that keep whatever they can elsewhere.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore(), above=0)
    return cast("RecordingBackend", CodedBackend(backend, coder))
