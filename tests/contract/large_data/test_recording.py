"""
Ports that keep large data elsewhere keep every promise: recording.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
