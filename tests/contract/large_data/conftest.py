"""
Ports that keep every member of an event elsewhere.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.artifacts import LargeDataCoder
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.backend import RecordingBackend
from tests.coded_ports import CodedBackend


@pytest.fixture
def backend(backend: RecordingBackend) -> RecordingBackend:
    """
    Return each backend in turn, behind ports that keep whatever they can elsewhere.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore(), above=0)
    return cast("RecordingBackend", CodedBackend(backend, coder))
