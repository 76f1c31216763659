"""
Maintenance keeps every promise of its port behind PgBouncer.
"""

from asm_async.testing.maintenance import *  # noqa: F403 - the suite is run whole
