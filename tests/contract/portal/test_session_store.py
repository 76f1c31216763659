"""
Through a portal, too, a session store keeps every promise of its port but one.
"""

from asm_async.testing.session_store import *  # noqa: F403 - the suite is run whole
