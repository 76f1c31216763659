"""
Coded ports keep every promise on every database: recording.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
