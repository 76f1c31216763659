"""
Coded ports keep the promises of maintenance on every database.

All but those of erasures, whose reports count the artifacts of large data as well.
"""

from asm_async.testing.maintenance import (
    TestArchiving,
    TestExecution,
    TestExpiry,
    TestHealth,
    TestMaintainers,
    TestPrunedRetractions,
    TestRefusals,
    TestRemoval,
    TestSessionPruning,
    TestSoftDeletion,
    TestTotalPruning,
)

__all__ = [
    "TestArchiving",
    "TestExecution",
    "TestExpiry",
    "TestHealth",
    "TestMaintainers",
    "TestPrunedRetractions",
    "TestRefusals",
    "TestRemoval",
    "TestSessionPruning",
    "TestSoftDeletion",
    "TestTotalPruning",
]
