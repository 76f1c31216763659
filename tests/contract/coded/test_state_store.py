"""
Coded ports keep every promise: state_store.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
