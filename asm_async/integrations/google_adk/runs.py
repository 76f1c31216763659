"""
ADK's invocations as runs: what they were asked and answered, and what they consumed.
"""

from __future__ import annotations

from datetime import datetime

import attrs
from google.adk.events.event import Event as AdkEvent

from asm_async.errors import ConflictError, RunNotFoundError, ValidationError
from asm_async.integrations.google_adk.names import run_ids_of
from asm_async.integrations.google_adk.records import text_of, time_of
from asm_async.ports.session_store import SessionStore
from asm_async.usage import token_usage_of
from asm_async.values.run import Run, RunStatus


@attrs.frozen
class Invocation:
    """
    The run of an invocation, as it is stored.
    """

    run_id: str
    run: Run | None = None
    """
    None if it has not begun.
    """

    @property
    def expected_revisions(self) -> dict[str, int]:
        """
        The revision of the run that was seen.
        """
        return {self.run_id: 0 if self.run is None else self.run.revision}


async def find_invocation(
    store: SessionStore, session_id: str, invocation_id: str
) -> Invocation | None:
    """
    Return the run of a session's invocation; None for events without an invocation.
    """
    if not invocation_id:
        return None
    for run_id in run_ids_of(session_id, invocation_id):
        try:
            run = await store.get_run(run_id)
        except RunNotFoundError:
            return Invocation(run_id)
        if run.session_id == session_id:
            return Invocation(run_id, run)
    raise ConflictError(
        f"the run of invocation {invocation_id!r} belongs to another session"
    )


def run_after(invocation: Invocation, session_id: str, event: AdkEvent) -> Run:
    """
    Return the run of an invocation after an event of it.

    The run begins with the first event. It is completed by an answer of an agent, the
    last of which is its output, and failed by an error; ADK does not say when an
    invocation is over.
    """
    at = time_of(event.timestamp, "event.timestamp")
    run = invocation.run
    if run is None:
        begun = Run.new(id=invocation.run_id, session_id=session_id, started_at=at)
        run = begun.update_status(RunStatus.RUNNING)
        if event.author == "user":
            run = attrs.evolve(run, input=text_of(event))
    return _ended(_with_usage(run, event), event, at)


def _with_usage(run: Run, event: AdkEvent) -> Run:
    if event.usage_metadata is None:
        return run
    try:
        run = run.update_token_usage(token_usage_of(event.usage_metadata))
    except ValidationError:
        # A model's report that makes no sense is kept in the event, and not counted.
        return run
    if not event.model_version:
        return run
    known = {**run.provider_metadata, "model": event.model_version}
    return attrs.evolve(run, provider_metadata=known)


def _ended(run: Run, event: AdkEvent, at: datetime) -> Run:
    if event.error_code or event.error_message:
        message = event.error_message or event.error_code
        error = {"error_message": message, "error_code": event.error_code}
        is_allowed = run.status.can_become(RunStatus.FAILED)
        return run.fail(error, at=at) if is_allowed else run
    answer = text_of(event) if _is_answer(event) else None
    if answer is None or not run.status.can_become(RunStatus.COMPLETED):
        return run
    # Of several agents each has an answer, and the invocation ends with the last.
    return attrs.evolve(run.complete(answer, at=at), ended_at=at)


def _is_answer(event: AdkEvent) -> bool:
    is_final = event.is_final_response() and not event.get_function_calls()
    return is_final and event.author != "user"
