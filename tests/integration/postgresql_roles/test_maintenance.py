"""
A maintainer that cannot insert does all that there is to maintain.
"""

import pytest

from asm_async.testing.maintenance import (
    TestArchiving,
    TestExecution,
    TestExpiry,
    TestHealth,
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
    "TestRemoval",
    "TestSessionPruning",
    "TestSoftDeletion",
    "TestTotalPruning",
]

pytestmark = pytest.mark.postgres
