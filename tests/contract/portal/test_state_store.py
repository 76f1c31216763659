"""
Through a portal, too, a state store keeps every promise of its port but one.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
