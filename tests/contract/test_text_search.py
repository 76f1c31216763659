"""
Every search for text keeps every promise of the port.
"""

from asm_async.testing.text_search import *  # noqa: F403 - the suite is run whole
