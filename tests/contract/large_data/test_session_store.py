"""
Ports that keep large data elsewhere keep every promise: session_store.
"""

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole
