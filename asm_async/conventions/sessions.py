"""
Builders of the events of sessions and runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from asm_async.conventions.building import EventOptions, build_event
from asm_async.values.event import Event, EventType


def session_created(*, session_id: str, **options: Unpack[EventOptions]) -> Event:
    """
    Return the event of a session that came to be.
    """
    return build_event(EventType.SESSION_CREATED, session_id, options)


def session_started(*, session_id: str, **options: Unpack[EventOptions]) -> Event:
    """
    Return the event of a session on which work began.
    """
    return build_event(EventType.SESSION_STARTED, session_id, options)


def session_paused(
    *, session_id: str, reason: str | None = None, **options: Unpack[EventOptions]
) -> Event:
    """
    Return the event of a session whose work was suspended.
    """
    kind = EventType.SESSION_PAUSED
    return build_event(kind, session_id, options, reason=reason)


def session_resumed(
    *, session_id: str, reason: str | None = None, **options: Unpack[EventOptions]
) -> Event:
    """
    Return the event of a session whose work went on.
    """
    kind = EventType.SESSION_RESUMED
    return build_event(kind, session_id, options, reason=reason)


def session_completed(
    *, session_id: str, reason: str | None = None, **options: Unpack[EventOptions]
) -> Event:
    """
    Return the event of a session that ended well.
    """
    kind = EventType.SESSION_COMPLETED
    return build_event(kind, session_id, options, reason=reason)


def session_failed(
    *,
    session_id: str,
    error_message: str,
    error_code: str | None = None,
    details: Mapping[str, Any] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a session that ended with an error.
    """
    return build_event(
        EventType.SESSION_FAILED,
        session_id,
        options,
        error_message=error_message,
        error_code=error_code,
        details=details,
    )


def session_cancelled(
    *, session_id: str, reason: str | None = None, **options: Unpack[EventOptions]
) -> Event:
    """
    Return the event of a session that was called off.
    """
    kind = EventType.SESSION_CANCELLED
    return build_event(kind, session_id, options, reason=reason)


def run_started(
    *,
    session_id: str,
    model: str | None = None,
    provider_session_id: str | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a run that began.

    Args:
        session_id: The session.

        model: Which model it runs on.

        provider_session_id: The provider's id of the conversation.

        options: What every event has.
    """
    return build_event(
        EventType.RUN_STARTED,
        session_id,
        options,
        model=model,
        provider_session_id=provider_session_id,
    )


def run_completed(
    *,
    session_id: str,
    stop_reason: str | None = None,
    output: Any = None,
    token_usage: Mapping[str, Any] | None = None,
    cost_usd: float | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a run that ended well.

    Args:
        session_id: The session.

        stop_reason: Why the model stopped, in the provider's word.

        output: What came of it: any JSON value.

        token_usage: The counts of ``Run.token_usage``.

        cost_usd: Its cost, in US dollars.

        options: What every event has.
    """
    return build_event(
        EventType.RUN_COMPLETED,
        session_id,
        options,
        stop_reason=stop_reason,
        output=output,
        token_usage=token_usage,
        cost_usd=cost_usd,
    )


def run_failed(
    *,
    session_id: str,
    error_message: str,
    error_code: str | None = None,
    details: Mapping[str, Any] | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a run that ended with an error.
    """
    return build_event(
        EventType.RUN_FAILED,
        session_id,
        options,
        error_message=error_message,
        error_code=error_code,
        details=details,
    )


def run_cancelled(
    *, session_id: str, reason: str | None = None, **options: Unpack[EventOptions]
) -> Event:
    """
    Return the event of a run that was called off.
    """
    kind = EventType.RUN_CANCELLED
    return build_event(kind, session_id, options, reason=reason)


def run_timeout(
    *,
    session_id: str,
    reason: str | None = None,
    timeout_seconds: float | None = None,
    **options: Unpack[EventOptions],
) -> Event:
    """
    Return the event of a run that took too long.

    Args:
        session_id: The session.

        reason: Why it was ended.

        timeout_seconds: How long it was allowed to take.

        options: What every event has.
    """
    return build_event(
        EventType.RUN_TIMEOUT,
        session_id,
        options,
        reason=reason,
        timeout_seconds=timeout_seconds,
    )
