"""
Ports whose values are stored in another form than callers see.
"""

from asm_async.coded.coder import CodedValue, Coder, Removal
from asm_async.coded.session_store import CodedSessionStore

__all__ = ["CodedSessionStore", "CodedValue", "Coder", "Removal"]
