"""
A role that can only read is given by a query API all that there is to read.
"""

import pytest

from asm_async.testing.query_api import (
    TestCosts,
    TestEventSearches,
    TestRunSearches,
    TestSessionExports,
    TestSessionSearches,
    TestSessionStats,
    TestUsage,
)

__all__ = [
    "TestCosts",
    "TestEventSearches",
    "TestRunSearches",
    "TestSessionExports",
    "TestSessionSearches",
    "TestSessionStats",
    "TestUsage",
]

pytestmark = pytest.mark.postgres
