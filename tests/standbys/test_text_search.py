"""
The search for text keeps every promise of its port where a standby answers it.
"""

from asm_async.testing.text_search import *  # noqa: F403 - the suite is run whole
