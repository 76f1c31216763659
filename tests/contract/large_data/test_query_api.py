"""
Ports that keep large data elsewhere keep every promise: query_api.
"""

from asm_async.testing.query_api import *  # noqa: F403 - the suite is run whole
