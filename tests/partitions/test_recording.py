"""
Recording in partitions keeps every promise of the port.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
