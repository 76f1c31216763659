"""
Ports over several primaries keep every promise that these can keep: maintenance.
"""

from asm_async.testing.maintenance import *  # noqa: F403 - the suite is run whole
