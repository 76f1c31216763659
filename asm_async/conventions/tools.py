"""
Builders of the events of tool calls, and of their approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from asm_async.conventions.building import EventOptions, build_event
from asm_async.values.event import Event, EventType


def tool_call_started(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    tool_input: Mapping[str, Any] | str | None = None,
    tool_input_text: str | None = None,
    message_id: str | None = None,
    provider_data: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a tool that was called.

    Args:
        session_id: The session.

        tool_call_id: The model's id of the call; its result has the same.

        tool_name: Which tool.

        tool_input: The arguments; text where the model wrote no JSON object.

        tool_input_text:
            The arguments to the letter, where that is not *tool_input* as JSON without
            spaces.

        message_id: The id of the model's message that the call is part of.

        provider_data: What else a provider's call has, under the provider's name.

        options: What every event has.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.TOOL_CALL_STARTED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        tool_input=tool_input,
        tool_input_text=tool_input_text,
        message_id=message_id,
        provider_data=provider_data,
    )


def tool_call_completed(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    tool_output: Any,
    tool_input: Mapping[str, Any] | str | None = None,
    tool_input_text: str | None = None,
    duration_ms: float | None = None,
    provider_data: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a tool that gave its result.

    Args:
        session_id: The session.

        tool_call_id: The call.

        tool_name: Which tool.

        tool_output:
            The result: any JSON value. Models are told text as it is, a list of parts
            (objects with a ``type``) as such, and anything else as JSON.

        tool_input: The arguments once more; needed if no event has the start.

        tool_input_text: The same, to the letter.

        duration_ms: How long it took, in milliseconds.

        provider_data: What else a provider's result has, under the provider's name.

        options: What every event has.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.TOOL_CALL_COMPLETED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        tool_output=tool_output,
        tool_input=tool_input,
        tool_input_text=tool_input_text,
        duration_ms=duration_ms,
        provider_data=provider_data,
    )


def tool_call_failed(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    error_message: str,
    error_code: str | None = None,
    tool_output: Any = None,
    tool_input: Mapping[str, Any] | str | None = None,
    tool_input_text: str | None = None,
    duration_ms: float | None = None,
    provider_data: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a tool that failed.

    *tool_output* is the text for the model, if that differs from *error_message*; all
    else is as for :func:`tool_call_completed`.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.TOOL_CALL_FAILED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        error_message=error_message,
        error_code=error_code,
        tool_output=tool_output,
        tool_input=tool_input,
        tool_input_text=tool_input_text,
        duration_ms=duration_ms,
        provider_data=provider_data,
    )


def tool_approval_requested(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    tool_input: Mapping[str, Any] | str | None = None,
    tool_input_text: str | None = None,
    message_id: str | None = None,
    policy_name: str | None = None,
    reason: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a person who was asked to allow a tool call.

    Args:
        session_id: The session.

        tool_call_id: The call, whether or not it was started.

        tool_name: Which tool.

        tool_input: The arguments; text where the model wrote no JSON object.

        tool_input_text: The same, to the letter.

        message_id: The id of the model's message that the call is part of.

        policy_name: The rule by which it needs to be allowed.

        reason: Why.

        options: What every event has.

    Raises:
        ValidationError: Naming what is wrong.
    """
    return build_event(
        EventType.TOOL_APPROVAL_REQUESTED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        tool_input=tool_input,
        tool_input_text=tool_input_text,
        message_id=message_id,
        policy_name=policy_name,
        reason=reason,
    )


def tool_approval_granted(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    decided_by: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a tool call that was allowed, by *decided_by*.
    """
    return build_event(
        EventType.TOOL_APPROVAL_GRANTED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        decided_by=decided_by,
    )


def tool_approval_denied(
    *,
    session_id: str,
    tool_call_id: str,
    tool_name: str,
    decided_by: str | None = None,
    reason: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a tool call that was refused, by *decided_by*.

    The transcript has *reason* for the model.
    """
    return build_event(
        EventType.TOOL_APPROVAL_DENIED,
        session_id,
        options,
        tool_call_id=tool_call_id,
        tool_name=tool_name,
        decided_by=decided_by,
        reason=reason,
    )
