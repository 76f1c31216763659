"""
The query API keeps every promise of its port where a standby answers it.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
