"""
Ports that keep large data elsewhere keep every promise of the port: event_feed.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
