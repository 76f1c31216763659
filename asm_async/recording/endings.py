"""
How a run ends, and the event that says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from asm_async.conventions import (
    EventOptions,
    run_cancelled,
    run_completed,
    run_failed,
    run_timeout,
)
from asm_async.errors import ASMError
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus

INTERRUPTED = "interrupted"
"""
The error code of a run that was ended because its recorder is dead.
"""

MAX_MESSAGE_LENGTH = 10_000
"""
How much of an exception's text is kept, in characters.
"""

Ending: TypeAlias = Callable[[Run, datetime, str | None], tuple[Run, Event]]
"""
Makes of a run, at a time, the run as it ended, and the event of that with its
correlation id.
"""


def event_id(run_id: str, place: int | str) -> str:
    """
    Return the id of an event of a run, the same for the same place in it.

    So a step that is repeated adds nothing, and a run has one end at most: a second
    one's event would have the id of the first.
    """
    digest = hashlib.sha256(f"{run_id}\0{place}".encode())
    return f"evt_{digest.hexdigest()[:32]}"


def completed(run: Run, now: datetime, correlation_id: str | None) -> tuple[Run, Event]:
    """
    End a run well.
    """
    event = run_completed(
        session_id=run.session_id,
        output=run.output,
        token_usage=run.token_usage or None,
        cost_usd=run.cost_usd,
        **_options(run, now, correlation_id),
    )
    return run.update_status(RunStatus.COMPLETED, at=now), event


def failed(code: str, message: str, **details: Any) -> Ending:
    """
    End a run with an error.
    """

    def end(run: Run, now: datetime, correlation_id: str | None) -> tuple[Run, Event]:
        event = run_failed(
            session_id=run.session_id,
            error_message=message,
            error_code=code,
            details=details or None,
            **_options(run, now, correlation_id),
        )
        error = {"code": code, "message": message, **details}
        return run.fail(error, at=now), event

    return end


def ended_by(error: BaseException) -> Ending:
    """
    Return how a run ends out of which an exception came.
    """
    if isinstance(error, TimeoutError):
        return _ended(RunStatus.TIMEOUT, run_timeout, message_of(error))
    if isinstance(error, Exception):
        return failed(code_of(error), message_of(error))
    # Cancelled, or stopped as by Ctrl-C.
    return _ended(RunStatus.CANCELLED, run_cancelled, message_of(error))


def _ended(status: RunStatus, build: Callable[..., Event], reason: str) -> Ending:
    def end(run: Run, now: datetime, correlation_id: str | None) -> tuple[Run, Event]:
        event = build(
            session_id=run.session_id,
            reason=reason,
            **_options(run, now, correlation_id),
        )
        return run.update_status(status, at=now), event

    return end


def _options(run: Run, now: datetime, correlation_id: str | None) -> EventOptions:
    return {
        "id": event_id(run.id, "end"),
        "run_id": run.id,
        "provider": run.provider,
        "correlation_id": correlation_id,
        "timestamp": now,
    }


def code_of(error: Exception) -> str:
    """
    Return the code of an error of this library, the name of any other one's class.
    """
    return error.code if isinstance(error, ASMError) else type(error).__name__


def message_of(error: BaseException) -> str:
    """
    Return what an exception says; its class's name where that is nothing.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - whatever the application's exception does
        text = ""
    return text[:MAX_MESSAGE_LENGTH] or type(error).__name__
