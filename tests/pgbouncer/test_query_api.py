"""
The query API keeps every promise of its port behind PgBouncer.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
