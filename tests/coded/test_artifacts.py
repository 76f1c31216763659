"""
Coded artifact registries keep every promise on every database.
"""

from asm_async.testing.artifacts import (
    TestArtifactLists,
    TestCommittedArtifacts,
    TestRegistrationRaces,
    TestRegistrations,
)

__all__ = [
    "TestArtifactLists",
    "TestCommittedArtifacts",
    "TestRegistrationRaces",
    "TestRegistrations",
]
