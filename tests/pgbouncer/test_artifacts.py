"""
The artifact registry keeps every promise of its port behind PgBouncer.
"""

from asm_async.testing.artifacts import (
    TestArtifactLists,
    TestRegistrationRaces,
    TestRegistrations,
)

__all__ = ["TestArtifactLists", "TestRegistrationRaces", "TestRegistrations"]
