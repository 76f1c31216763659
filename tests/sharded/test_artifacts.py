"""
A coded artifact registry keeps every promise of its port.
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
