"""
Ports that keep large data elsewhere keep every promise: event_feed.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
