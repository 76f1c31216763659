"""
Ports that keep large data elsewhere keep every promise of the port: maintenance.
"""

from asm_async.testing.maintenance import *  # noqa: F403 - the suite is run whole
