"""
How a run is recorded.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from asm_async.fronts.observing import observed_run
from asm_async.ports.session_store import SessionStore
from asm_async.recording.leases import checked_lease
from asm_async.recording.recorded_run import RecordedRun
from asm_async.recording.repeated_commit import checked_store
from asm_async.recording.run_recorder import RunRecorder
from asm_async.values import fields
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session


@asynccontextmanager
async def record_run(
    store: SessionStore,
    session: Session | str,
    *,
    input: Any = None,  # noqa: A002 - the field's name
    provider: str | None = None,
    model: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    correlation_id: str | None = None,
    run_id: str | None = None,
    exclusive: bool = False,
    lease: float = 60.0,
    expected_tenant: str | None = None,
) -> AsyncGenerator[RunRecorder]:
    """
    Record a run of a session: begin it, yield its recorder, and end it on leaving.

    Entering stores the run as running, with its event ``run_started``. Leaving stores
    its end, with the event of that, and what was set of output, usage and cost: as
    completed; as timeout if a ``TimeoutError`` left the block; as cancelled if it was
    cancelled, or stopped by ``KeyboardInterrupt`` and its like; as failed for any other
    exception. Each is one commit, all or nothing. The end is written also if the caller
    is cancelled again, for up to two minutes.

    What left the block goes on to the caller. If the end could not be written then, a
    note says so in the exception; without an exception, what kept it is raised.

    While the block runs, a task of its own renews the recorder's *lease*. If the
    process dies, :func:`recover_interrupted_runs` finds that nothing renews it any
    more, and ends the run.

    Args:
        store: Where to write to.

        session: The session, or its id; it must exist.

        input: The agent's input: any JSON value. It is kept only in the run; record the
            model's input as messages.

        provider: The provider of the model; the run's events name it, too.

        model: The model's name.

        metadata: Further data of the application about the run.

        correlation_id: What ties the run's events to others; they all have it.

        run_id: The run's id; a new one unless given.

        exclusive:
            Begin only if no run of the session is running, and let no other one that is
            recorded begin before this has ended.

        lease:
            For how long, in seconds from 0.1 to 86,400, the process may pause before
            the run may be taken for interrupted. It is also how long a recovery has to
            watch a run whose process has just died.

        expected_tenant: Whose the session must be; None if that is not asked.

    Yields:
        The recorder.

    Raises:
        ValidationError: Naming the argument that is wrong; nothing is written.

        SessionNotFoundError: If there is no such session.

        SessionDeletedError: If it is soft-deleted.

        RunInProgressError: If a run is running beside which this may not begin.

        ConflictError: If *run_id* is that of a stored run.

        LeaseLostError: On leaving, if another process has ended the run.
    """
    checked_store(store)
    fields.boolean(exclusive, "exclusive")
    for name, text in (
        ("model", model),
        ("correlation_id", correlation_id),
        ("run_id", run_id),
    ):
        fields.optional(text, name, fields.text)
    pending = Run.new(
        session_id=_session_id(session),
        id=run_id,
        input=input,
        provider=provider,
        provider_metadata=None if model is None else {"model": model},
        metadata=metadata,
    )
    recorded = RecordedRun(
        store,
        pending.update_status(RunStatus.RUNNING),
        lease=checked_lease(lease),
        is_exclusive=exclusive,
        correlation_id=correlation_id,
        expected_tenant=expected_tenant,
    )
    agent_id = session.agent_id if isinstance(session, Session) else None
    with observed_run(store, agent_id, lambda: recorded.run) as note_step:
        await recorded.begin(note_step)
        try:
            yield RunRecorder(recorded.log, correlation_id)
        except BaseException as error:
            await recorded.end_after(error)
            raise
        else:
            await recorded.complete()


def _session_id(session: object) -> str:
    if isinstance(session, Session):
        return session.id
    return fields.text(session, "session")
