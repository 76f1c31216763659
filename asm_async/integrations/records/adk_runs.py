"""
Invocations of ADK as runs: what they were asked and answered, and what they consumed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.integrations.records.adk_events import USER, is_answer, text_of_record
from asm_async.usage import token_usage_of
from asm_async.values.run import Run, RunStatus


def run_after_record(
    run_id: str, run: Run | None, session_id: str, record: Any, at: datetime
) -> Run:
    """
    Return the run of an invocation after an event of it.

    The run begins with the first event. It is completed by an answer of an agent, the
    last of which is its output, and failed by an error; ADK does not say when an
    invocation is over.

    Args:
        run_id: The id of the run.

        run: The run before; None if it has not begun.

        session_id: The session.

        record: The event, as JSON.

        at: When it was.
    """
    if run is None:
        begun = Run.new(id=run_id, session_id=session_id, started_at=at)
        run = begun.update_status(RunStatus.RUNNING)
        if record.get("author") == USER:
            run = attrs.evolve(run, input=text_of_record(record))
    return _ended(_with_usage(run, record), record, at)


def _with_usage(run: Run, record: Any) -> Run:
    usage = record.get("usage_metadata")
    if usage is None:
        return run
    try:
        run = run.update_token_usage(token_usage_of(usage))
    except ValidationError:
        # A model's report that makes no sense is kept in the event, and not counted.
        return run
    model = record.get("model_version")
    if not model:
        return run
    return attrs.evolve(
        run, provider_metadata={**run.provider_metadata, "model": model}
    )


def _ended(run: Run, record: Any, at: datetime) -> Run:
    code, message = record.get("error_code"), record.get("error_message")
    if code or message:
        error = {"error_message": message or code, "error_code": code}
        is_allowed = run.status.can_become(RunStatus.FAILED)
        return run.fail(error, at=at) if is_allowed else run
    answer = text_of_record(record) if is_answer(record) else None
    if answer is None or not run.status.can_become(RunStatus.COMPLETED):
        return run
    # Of several agents each has an answer, and the invocation ends with the last.
    return attrs.evolve(run.complete(answer, at=at), ended_at=at)
