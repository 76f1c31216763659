"""
Ports behind coded ones.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.testing.backend import QueryAPIBackend
from tests.coded_ports import CodedBackend, Hiding


@pytest.fixture
def backend(backend: QueryAPIBackend) -> QueryAPIBackend:
    """
    Return each backend in turn, behind ports that hide all JSON.
    """
    return cast("QueryAPIBackend", CodedBackend(backend, Hiding()))
