"""
Coded ports keep every promise on every database: query_api.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
