"""
Through a portal, too, an index of texts is kept up to date and closed.
"""

from asm_async.testing.text_search import TestTextSearchClosing, TestTextUpdates

__all__ = ["TestTextSearchClosing", "TestTextUpdates"]
