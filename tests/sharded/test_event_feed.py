"""
Ports over several primaries keep every promise that these can keep: event_feed.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
