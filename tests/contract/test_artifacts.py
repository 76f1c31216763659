"""
Every artifact registry and every artifact store keeps every promise of its port.
"""

from asm_async.testing.artifacts import *  # noqa: F403 - the suites are run whole
