"""
What partitions could change keeps its promises: keys, orders, removals, and the feed.
"""

from __future__ import annotations

import pytest

from asm_async.testing.event_feed import TestFeedFollowing
from asm_async.testing.maintenance import TestHealth, TestTotalPruning
from asm_async.testing.query_api import TestPages
from asm_async.testing.session_store import TestRuns

pytestmark = pytest.mark.postgres

__all__ = [
    "TestFeedFollowing",
    "TestHealth",
    "TestPages",
    "TestRuns",
    "TestTotalPruning",
]
