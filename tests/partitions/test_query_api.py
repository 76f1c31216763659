"""
A query API in partitions keeps every promise of the port.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
