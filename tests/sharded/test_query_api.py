"""
Ports over several primaries keep every promise that these can keep: query_api.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
