"""
The event feed keeps every promise of its port where followers read from a standby.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
