"""
A feed that does not listen keeps every promise of its port behind PgBouncer.
"""

from asm_async.testing.event_feed import *  # noqa: F403 - the suite is run whole
