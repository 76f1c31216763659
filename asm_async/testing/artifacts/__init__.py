"""
The contract suites of ``ArtifactRegistry`` and ``ArtifactStore``.

The author of an adapter gives a fixture and takes over the classes that need it. Those
of registries need ``backend``, an
:class:`~asm_async.testing.backend.ArtifactRegistryBackend`; those of stores need
``artifact_store_backend``, an
:class:`~asm_async.testing.backend.ArtifactStoreBackend`::

    import pytest
    from asm_async.testing.artifacts import TestContentCancellations
    from asm_async.testing.artifacts import TestContentDeletions, TestContents


    @pytest.fixture
    def artifact_store_backend(tmp_path):
        return MyBackend(tmp_path)
"""

from asm_async.testing.artifacts.artifact_lists import TestArtifactLists
from asm_async.testing.artifacts.committed_artifacts import TestCommittedArtifacts
from asm_async.testing.artifacts.content_cancellations import TestContentCancellations
from asm_async.testing.artifacts.content_deletions import TestContentDeletions
from asm_async.testing.artifacts.contents import TestContents
from asm_async.testing.artifacts.registration_races import TestRegistrationRaces
from asm_async.testing.artifacts.registrations import TestRegistrations

__all__ = [
    "TestArtifactLists",
    "TestCommittedArtifacts",
    "TestContentCancellations",
    "TestContentDeletions",
    "TestContents",
    "TestRegistrationRaces",
    "TestRegistrations",
]
