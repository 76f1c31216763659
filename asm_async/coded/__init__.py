"""
Ports whose values are stored in another form than callers see.
"""

from asm_async.coded.artifact_registry import CodedArtifactRegistry
from asm_async.coded.coder import CodedValue, Coder, Removal
from asm_async.coded.event_feed import CodedEventFeed
from asm_async.coded.maintenance import CodedMaintenance
from asm_async.coded.query_api import CodedQueryAPI
from asm_async.coded.session_store import CodedSessionStore
from asm_async.coded.state_store import CodedStateStore
from asm_async.coded.together import coded_ports

__all__ = [
    "CodedArtifactRegistry",
    "CodedEventFeed",
    "CodedMaintenance",
    "CodedQueryAPI",
    "CodedSessionStore",
    "CodedStateStore",
    "CodedValue",
    "Coder",
    "Removal",
    "coded_ports",
]
