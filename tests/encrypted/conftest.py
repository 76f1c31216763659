"""
Ports behind encrypting ones.
"""

from __future__ import annotations

from typing import cast

import pytest

from asm_async.testing.backend import ArtifactStoreBackend, RecordingBackend
from tests.encrypted_ports import EncryptedArtifactPlace, EncryptedBackend


@pytest.fixture
def backend(backend: RecordingBackend) -> RecordingBackend:
    """
    Return each backend in turn, behind ports that encrypt.
    """
    return cast("RecordingBackend", EncryptedBackend(backend))


@pytest.fixture
def artifact_store_backend(
    artifact_store_backend: ArtifactStoreBackend,
) -> ArtifactStoreBackend:
    """
    Return each place for contents in turn, behind stores that encrypt.
    """
    return cast("ArtifactStoreBackend", EncryptedArtifactPlace(artifact_store_backend))
