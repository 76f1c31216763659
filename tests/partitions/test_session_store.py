"""
A session store in partitions keeps every promise of the port.
"""

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole
