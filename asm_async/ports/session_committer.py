"""
The methods of a session store that write several values in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from asm_async.values.changes import Changes, Committed
from asm_async.values.execution_result import ExecutionResult

ExpectedRevisions: TypeAlias = (
    Mapping[str, int]
    | Mapping[tuple[str, str], int]
    | Mapping[str | tuple[str, str], int]
)
"""
Revisions by the ids of runs, or by the scopes and keys of state items.
"""


class SessionCommitter(Protocol):
    """
    The part of a session store that writes several values, all or nothing.

    :class:`~asm_async.ports.session_store.SessionStore` states the rules for all
    methods.
    """

    async def flush(
        self,
        result: ExecutionResult,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> ExecutionResult:
        """
        Store the result of one execution, all or nothing.

        It is a case of :meth:`commit`, which says more of what is expected of a caller.

        Args:
            result: A session, one of its runs, and events of that run.

            expected_sequence: The latest sequence number the caller has seen.

            expected_revision: The revision of the session that the caller has seen.

            operation_id: As in :meth:`save_session`.

            expected_tenant: Whose the session must be; None if that is not asked.

        Returns:
            The stored values: revisions and sequence numbers filled in.

        Raises:
            ValidationError: Naming the argument, or the part of *result*, at fault.

            SessionNotFoundError: If *result* has no session, and none is stored.

            SessionDeletedError: If the session is soft-deleted.

            ConflictError: If an expectation is not met, a status may not follow the
                stored one, or an event's id is stored with other content.
        """
        ...

    async def commit(
        self,
        changes: Changes,
        *,
        expected_sequence: int | None = None,
        expected_revision: int | None = None,
        expected_revisions: ExpectedRevisions | None = None,
        operation_id: str | None = None,
        expected_tenant: str | None = None,
    ) -> Committed:
        """
        Store events, a session, runs, state items and artifacts, all or nothing.

        The session and the runs are saved as by :meth:`save_session` and
        :meth:`save_run`, the events appended as by :meth:`append_events`; these, and
        :meth:`flush`, are cases of this method. Items are saved and removed as by
        :class:`~asm_async.ports.state_store.StateStore`, and may name a session that is
        brought along. Artifacts are registered as by
        :class:`~asm_async.ports.artifact_registry.ArtifactRegistry`. What *changes*
        leaves out is not touched; a session that it
        brings along need not exist before.

        Args:
            changes: What to store.

            expected_sequence:
                The latest sequence number the caller has seen, 0 for a session that
                never was. If all events (at least one) are stored, with the same
                content, directly after that number, and no revision is expected, the
                call has succeeded before: what is stored now is returned and nothing is
                written.

            expected_revision:
                The revision of the session that the caller has seen, as in
                :meth:`save_session`; needs a session in *changes*.

            expected_revisions:
                The revisions that the caller has seen, 0 for "not stored": of runs, by
                id, as in :meth:`save_run`, and of state items, by scope and key. What
                is not in *changes* is only looked at: so events are appended only while
                a run is as it was.

            operation_id:
                As in :meth:`save_session`; known by any of the values that are saved.

            expected_tenant: Whose the session must be, and those that the items go
                with; None if that is not asked.

        Returns:
            The stored values: revisions and sequence numbers filled in.

        Raises:
            ValidationError: As :meth:`save_session` and :meth:`append_events` do, and
                if something is expected of a session that is not there.

            SessionNotFoundError: If *changes* has no session, and none is stored, or
                that of an item does not exist.

            RunNotFoundError: As :meth:`save_run` does.

            SessionDeletedError: If the session is soft-deleted.

            ConflictError: As :meth:`save_run` does.

            RevisionConflictError: If an expected revision is not met.

            InvalidTransitionError: If a status may not follow the stored one.

            EventConflictError: If an event's id is stored with other content.

            ArtifactConflictError: If an artifact's id or key belongs to another one.

            SequenceConflictError: If the session has moved on from *expected_sequence*.
        """
        ...
