"""
Builders of the events of errors, usage, turns, workspaces and policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from asm_async.conventions.building import EventOptions, build_event
from asm_async.values.event import Event, EventType


def error_occurred(
    *,
    session_id: str,
    error_message: str,
    error_code: str | None = None,
    details: Mapping[str, Any] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of something that went wrong.
    """
    return build_event(
        EventType.ERROR_OCCURRED,
        session_id,
        options,
        error_message=error_message,
        error_code=error_code,
        details=details,
    )


def error_recovered(
    *,
    session_id: str,
    error_message: str | None = None,
    error_code: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of an error that was put right: which one, in its own words.
    """
    return build_event(
        EventType.ERROR_RECOVERED,
        session_id,
        options,
        error_message=error_message,
        error_code=error_code,
    )


def token_usage_updated(
    *,
    session_id: str,
    input_tokens: int,
    output_tokens: int,
    total_tokens: int | None = None,
    cache_read_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    model: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of token counts that the provider reported for one request.

    The counts are those of ``Run.token_usage``, as
    :func:`asm_async.usage.token_usage_of` makes them.
    """
    return build_event(
        EventType.TOKEN_USAGE_UPDATED,
        session_id,
        options,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total_tokens,
        cache_read_tokens=cache_read_tokens,
        cache_write_tokens=cache_write_tokens,
        reasoning_tokens=reasoning_tokens,
        model=model,
    )


def turn_completed(
    *,
    session_id: str,
    turn: int | None = None,
    stop_reason: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a turn of the agent that ended, the *turn*-th of its run.
    """
    return build_event(
        EventType.TURN_COMPLETED,
        session_id,
        options,
        turn=turn,
        stop_reason=stop_reason,
    )


def workspace_snapshot_taken(
    *,
    session_id: str,
    ref: str,
    label: str | None = None,
    backend: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of the state of the agent's workspace that was recorded.

    Args:
        session_id: The session.

        ref: What names the state, such as a commit.

        label: Which one it is, such as ``"before"`` or ``"after"``.

        backend: What keeps it, such as ``"git"``.

        options: What every event has.
    """
    return build_event(
        EventType.WORKSPACE_SNAPSHOT_TAKEN,
        session_id,
        options,
        ref=ref,
        label=label,
        backend=backend,
    )


def workspace_diff_computed(
    *,
    session_id: str,
    files_changed: int,
    insertions: int | None = None,
    deletions: int | None = None,
    patch_ref: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a change of the workspace that was recorded.

    Args:
        session_id: The session.

        files_changed: How many files differ.

        insertions: How many lines came.

        deletions: How many lines went.

        patch_ref: What names the change itself, such as an artifact's key.

        options: What every event has.
    """
    return build_event(
        EventType.WORKSPACE_DIFF_COMPUTED,
        session_id,
        options,
        files_changed=files_changed,
        insertions=insertions,
        deletions=deletions,
        patch_ref=patch_ref,
    )


def policy_violation(
    *,
    session_id: str,
    policy: str,
    kind: str,
    action: str | None = None,
    tool_call_id: str | None = None,
    tool_name: str | None = None,
    details: Mapping[str, Any] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of something that a policy forbade.

    Args:
        session_id: The session.

        policy: The policy's name.

        kind: Which of its rules.

        action: The reaction, such as ``"denied"``.

        tool_call_id: The tool call that it is about.

        tool_name: Which tool.

        details: Further details.

        options: What every event has.
    """
    return build_event(
        EventType.POLICY_VIOLATION,
        session_id,
        options,
        policy=policy,
        kind=kind,
        action=action,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        details=details,
    )
