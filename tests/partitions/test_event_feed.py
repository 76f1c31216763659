"""
An event feed in partitions keeps every promise of the port.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
