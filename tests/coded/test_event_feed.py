"""
Coded ports keep every promise on every database: event_feed.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
