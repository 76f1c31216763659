"""
Ports behind encrypting ones.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.testing.backend import QueryAPIBackend
from tests.encrypted_ports import EncryptedBackend


@pytest.fixture
def backend(backend: QueryAPIBackend) -> QueryAPIBackend:
    """
    Return each backend in turn, behind ports that encrypt.
    """
    return cast("QueryAPIBackend", EncryptedBackend(backend))
