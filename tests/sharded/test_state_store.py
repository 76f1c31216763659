"""
Ports over several primaries keep every promise that these can keep: state_store.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
