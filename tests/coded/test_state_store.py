"""
Coded ports keep every promise on every database: state_store.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
