"""
Ports over several primaries keep every promise that these can keep: session_store.
"""

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole
