"""
ADK's invocations as runs: what they were asked and answered, and what they consumed.
"""

from __future__ import annotations

import attrs
from google.adk.events.event import Event as AdkEvent

from asm_async.errors import ConflictError, RunNotFoundError
from asm_async.integrations.google_adk.records import record_of, time_of
from asm_async.integrations.records.adk_names import run_ids_of
from asm_async.integrations.records.adk_runs import run_after_record
from asm_async.ports.session_store import SessionStore
from asm_async.values.run import Run


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
    return run_after_record(
        invocation.run_id, invocation.run, session_id, record_of(event), at
    )
