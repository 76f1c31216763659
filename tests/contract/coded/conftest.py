"""
Ports in memory behind coded ones; the session ``coded`` has all databases.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.testing.backend import RecordingBackend
from tests.backends import InMemoryBackend
from tests.coded_ports import CodedBackend, Hiding


@pytest.fixture
def backend() -> RecordingBackend:
    """
    Return a backend in memory, behind ports that hide all JSON.
    """
    return cast("RecordingBackend", CodedBackend(InMemoryBackend(), Hiding()))
