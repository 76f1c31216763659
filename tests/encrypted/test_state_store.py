"""
An encrypting state store keeps every promise of the port.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
