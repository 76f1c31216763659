"""
A state store in partitions keeps every promise of its port.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
