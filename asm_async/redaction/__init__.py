"""
Redaction: secrets are removed before anything is stored.
"""

from asm_async.redaction.coder import RedactingCoder
from asm_async.redaction.exports import redacted_export
from asm_async.redaction.ports import (
    RedactingSessionStore,
    RedactingStateStore,
    redacting_ports,
)
from asm_async.redaction.secrets import SECRETS
from asm_async.values.redaction import Pattern, RedactionPolicy

__all__ = [
    "SECRETS",
    "Pattern",
    "RedactingCoder",
    "RedactingSessionStore",
    "RedactingStateStore",
    "RedactionPolicy",
    "redacted_export",
    "redacting_ports",
]
