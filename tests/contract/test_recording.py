"""
What is promised of recorded runs holds over every adapter.
"""

from asm_async.testing.recording import *  # noqa: F403 - the suite is run whole
