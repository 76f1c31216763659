"""
The state store keeps every promise of its port behind PgBouncer.
"""

from asm_async.testing.state_store import *  # noqa: F403 - the suite is run whole
