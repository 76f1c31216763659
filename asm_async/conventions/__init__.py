"""
The layout of each event type's data, and a builder for each type.

Readers find under these members what an event says: transcripts, pages, importers and
other programs. A store refuses no other layout.
"""

from asm_async.conventions.building import Content, EventOptions
from asm_async.conventions.layouts import LAYOUTS, Kind, Member, Role, shape_warnings
from asm_async.conventions.messages import (
    message_received,
    message_sent,
    message_streamed,
)
from asm_async.conventions.sessions import (
    run_cancelled,
    run_completed,
    run_failed,
    run_started,
    run_timeout,
    session_cancelled,
    session_completed,
    session_created,
    session_failed,
    session_paused,
    session_resumed,
    session_started,
)
from asm_async.conventions.texts import (
    TEXT_MEMBERS,
    EventTexts,
    event_texts,
    speaker_of,
)
from asm_async.conventions.tools import (
    tool_approval_denied,
    tool_approval_granted,
    tool_approval_requested,
    tool_call_completed,
    tool_call_failed,
    tool_call_started,
)
from asm_async.conventions.work import (
    error_occurred,
    error_recovered,
    policy_violation,
    token_usage_updated,
    turn_completed,
    workspace_diff_computed,
    workspace_snapshot_taken,
)
from asm_async.values.event import EventFamily

__all__ = [
    "LAYOUTS",
    "TEXT_MEMBERS",
    "Content",
    "EventFamily",
    "EventOptions",
    "EventTexts",
    "Kind",
    "Member",
    "Role",
    "error_occurred",
    "error_recovered",
    "event_texts",
    "message_received",
    "message_sent",
    "message_streamed",
    "policy_violation",
    "run_cancelled",
    "run_completed",
    "run_failed",
    "run_started",
    "run_timeout",
    "session_cancelled",
    "session_completed",
    "session_created",
    "session_failed",
    "session_paused",
    "session_resumed",
    "session_started",
    "shape_warnings",
    "speaker_of",
    "token_usage_updated",
    "tool_approval_denied",
    "tool_approval_granted",
    "tool_approval_requested",
    "tool_call_completed",
    "tool_call_failed",
    "tool_call_started",
    "turn_completed",
    "workspace_diff_computed",
    "workspace_snapshot_taken",
]
