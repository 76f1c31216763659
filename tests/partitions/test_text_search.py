"""
A search for text in partitions keeps every promise of its port.
"""

from asm_async.testing.text_search import *  # noqa: F403 - the suite is run whole
