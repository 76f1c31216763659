"""
An encrypting artifact registry keeps every promise of the port.
"""

from asm_async.testing.artifacts.registrations import *  # noqa: F403 - the suite is run whole
