"""
The session store keeps every promise of its port where a standby answers its reads.
"""

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole
