"""
Maintenance in partitions keeps every promise of the port.
"""

from asm_async.testing.maintenance import *  # noqa: F403 - the suite is run whole
