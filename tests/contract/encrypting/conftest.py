"""
Ports in memory behind encrypting ones; the session ``encryption`` has all databases.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.testing.backend import ArtifactStoreBackend, RecordingBackend
from tests.artifact_stores import InMemoryArtifactPlace
from tests.backends import InMemoryBackend
from tests.encrypted_ports import EncryptedArtifactPlace, EncryptedBackend


@pytest.fixture
def backend() -> RecordingBackend:
    """
    Return a backend in memory, behind ports that encrypt.
    """
    return cast("RecordingBackend", EncryptedBackend(InMemoryBackend()))


@pytest.fixture
def artifact_store_backend() -> ArtifactStoreBackend:
    """
    Return contents in memory, behind stores that encrypt.
    """
    return cast("ArtifactStoreBackend", EncryptedArtifactPlace(InMemoryArtifactPlace()))
