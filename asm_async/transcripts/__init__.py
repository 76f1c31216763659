"""
The messages of a session, in providers' forms, and events from their messages.
"""

from asm_async.conventions import Role
from asm_async.transcripts.event_maker import ImportOptions
from asm_async.transcripts.excerpt import Excerpt
from asm_async.transcripts.from_anthropic import events_from_anthropic
from asm_async.transcripts.from_openai import events_from_openai, events_from_responses
from asm_async.transcripts.message import Message
from asm_async.transcripts.provider_messages import ProviderMessages
from asm_async.transcripts.telling import APPROVAL_PENDING, CALL_DENIED
from asm_async.transcripts.transcript import (
    Transcript,
    read_transcript,
    transcript_of,
    update_transcript,
)
from asm_async.transcripts.units import CALL_INTERRUPTED

__all__ = [
    "APPROVAL_PENDING",
    "CALL_DENIED",
    "CALL_INTERRUPTED",
    "Excerpt",
    "ImportOptions",
    "Message",
    "ProviderMessages",
    "Role",
    "Transcript",
    "events_from_anthropic",
    "events_from_openai",
    "events_from_responses",
    "read_transcript",
    "transcript_of",
    "update_transcript",
]
