"""
Ports over several primaries keep the promises that these can keep: a selection.
"""

from asm_async.testing.event_feed import TestConsumers, TestFeedFollowing
from asm_async.testing.query_api import TestEventSearches
from asm_async.testing.session_store import TestFlushes, TestIdempotence
from asm_async.testing.state_store import TestItemExpectations

__all__ = [
    "TestConsumers",
    "TestEventSearches",
    "TestFeedFollowing",
    "TestFlushes",
    "TestIdempotence",
    "TestItemExpectations",
]
