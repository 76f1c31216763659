"""
An event feed behind an encrypting one keeps every promise of the port.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
