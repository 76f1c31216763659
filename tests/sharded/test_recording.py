"""
Ports over several primaries keep every promise that these can keep: recording.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
