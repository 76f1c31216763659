"""
Redaction: secrets are removed before anything is stored.
"""

from asm_async.redaction.exports import redacted_export
from asm_async.redaction.secrets import SECRETS
from asm_async.redaction.session_store import RedactingSessionStore
from asm_async.redaction.state_store import RedactingStateStore
from asm_async.values.redaction import Pattern, RedactionPolicy

__all__ = [
    "SECRETS",
    "Pattern",
    "RedactingSessionStore",
    "RedactingStateStore",
    "RedactionPolicy",
    "redacted_export",
]
