"""
The contract suite of ``EventFeed``: every adapter passes it whole.

The author of an adapter gives one fixture, ``backend``, and takes over every class::

    import pytest_asyncio
    from asm_async.testing.event_feed import *


    @pytest_asyncio.fixture
    async def backend():
        async with MyDatabase() as database:
            yield MyBackend(database)

``backend`` is an :class:`~asm_async.testing.backend.EventFeedBackend`; each test needs
one of its own, empty.
"""

from asm_async.testing.event_feed.closing import TestFeedClosing
from asm_async.testing.event_feed.consumers import TestConsumers
from asm_async.testing.event_feed.feed_following import TestFeedFollowing
from asm_async.testing.event_feed.leases import TestLeases
from asm_async.testing.event_feed.lost_history import TestLostHistory
from asm_async.testing.event_feed.refusals import TestFeedRefusals
from asm_async.testing.event_feed.session_ends import TestSessionEnds
from asm_async.testing.event_feed.session_following import TestSessionFollowing
from asm_async.testing.event_feed.tenants import TestTenantFollowing
from asm_async.testing.event_feed.users import TestUserFollowing

__all__ = [
    "TestConsumers",
    "TestFeedClosing",
    "TestFeedFollowing",
    "TestFeedRefusals",
    "TestLeases",
    "TestLostHistory",
    "TestSessionEnds",
    "TestSessionFollowing",
    "TestTenantFollowing",
    "TestUserFollowing",
]
