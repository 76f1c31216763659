"""
Ports that keep large data elsewhere keep every promise of the port: recording.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
