"""
An artifact registry in partitions keeps every promise of its port.
"""

from asm_async.testing.artifacts import *  # noqa: F403 - the suite is run whole
