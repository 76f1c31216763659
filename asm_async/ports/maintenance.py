"""
The port through which old history is deleted and the database is checked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, TypeAlias, runtime_checkable

from asm_async.ports.artifact_store import GRACE_PERIOD, ArtifactStore
from asm_async.values.maintenance import ErasureReport, HealthIssue, MaintenanceReport
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session

MAX_ISSUES_PER_KIND = 100
"""
How many cases of one kind a health check lists one by one.
"""


BeforeRemoval: TypeAlias = Callable[[Sequence[str]], Awaitable[object]]
"""
Does what is to be done of sessions before they are removed, such as to drop their keys.
"""


@runtime_checkable
class Maintenance(Protocol):
    """
    Keeping a database small and sound; nothing happens unless it is called.

    **Batches.** What may concern many sessions is done in batches of
    *policy.batch_size* sessions, 1,000 at most. Each batch is one transaction that
    takes the locks of its sessions first and holds them for no longer than it lasts, or
    several such where it would remove more than some 1,000 rows; appends to other
    sessions are delayed by one transaction at most. Cancelled, or after an error, a
    call leaves every transaction whole: done or not begun. Calling again goes on where
    it stopped.

    **Concurrency.** Agents may write and several maintainers work at the same time.
    Whether a session is too old, exempt or too long is decided again under its lock:
    one that was changed or restored meanwhile is left alone, and nothing is counted
    twice.

    **Numbers.** Deleting and pruning never renumber, and no number is used again. At
    every moment a session's latest number is its stored and its pruned events together.

    **Time.** Ages are measured by the caller's clock, those of sessions from their
    *last_activity_at*. Exactly as old as the limit is not older.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read or written, ``StoreClosedError`` from another event loop than the
    one that first used it, and the family of ``StorageError`` where the database fails.
    Only :meth:`execute` collects the errors of its steps instead.
    """

    async def execute(
        self,
        policy: RetentionPolicy,
        *,
        progress: Callable[[MaintenanceReport], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> MaintenanceReport:
        """
        Apply *policy*.

        The steps, in this order: soft-delete expired sessions; hard-delete those that
        were soft-deleted long enough ago; prune events; clean orphaned artifacts; close
        orphaned counters, so that their numbers stay used. A step that fails does not
        prevent the next ones, unless the database could not be reached: its errors are
        in the report.

        Sessions with more than *policy.max_events_per_session* events are pruned as by
        :meth:`prune_session_events`; after that, if all sessions together hold more
        than *policy.max_total_events*, they are pruned to so many in the same order,
        the events of earlier timestamps being the older ones. Sessions with an exempt
        tag count but are not pruned; soft-deleted ones are like others.

        Anything but an ``Exception``, such as a cancellation, ends the call at once. So
        does any exception of *progress* or *should_stop*.

        Args:
            policy: What to keep, and for how long.

            progress:
                Called after each batch with the present report; not awaited.

            should_stop:
                Asked before each batch, such as ``asyncio.Event().is_set``; once it
                returns True, no further batch is begun and the present report is
                returned.

        Returns:
            The results, step by step, with the errors.
        """
        ...

    async def prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        """
        Prune a session to *policy.max_events_per_session* events.

        Events of *policy.prune_event_types_first* go first, those of
        ``PROTECTED_EVENT_TYPES`` last, and among equals the oldest first. An exempt tag
        keeps a session from being chosen by :meth:`execute`, not from being named here.

        Returns:
            How many events were pruned; 0 if there is no limit, or no such session.
        """
        ...

    async def soft_delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Mark a session deleted: readable by id, left out of lists, closed to writes.

        Its revision and *updated_at* stay. One that is soft-deleted already keeps its
        *deleted_at*. Those who wait for its events go on waiting: it may be restored.

        Returns:
            The stored session.

        Raises:
            SessionNotFoundError: If no session of this id is stored, or it is not of
                *expected_tenant*, if that is given.
        """
        ...

    async def restore_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Undo a soft deletion; one that is not soft-deleted stays as it is.

        That is no activity, so that what has expired would soon be deleted again: write
        to it afterwards, or save it with an exempt tag, to keep it.

        Returns:
            The stored session, without *deleted_at*.

        Raises:
            SessionNotFoundError: If no session of this id is stored, or it is not of
                *expected_tenant*, if that is given, or its permanent removal has begun.
        """
        ...

    async def soft_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Soft-delete the sessions that are too old.

        Too old is a session that was created more than *policy.max_session_age_days*
        ago, or has ended and was last updated more than
        *policy.max_completed_session_age_days* ago, unless its status or one of its
        tags is exempt.

        Returns:
            How many sessions were soft-deleted.
        """
        ...

    async def hard_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Hard-delete the sessions that have been soft-deleted for too long.

        Too long is more than *policy.hard_delete_after_days*; without such a limit none
        is removed. A session goes with its runs, events, tags and artifacts; its latest
        number stays remembered. Neither status nor tags exempt a session once it is
        soft-deleted.

        With *policy.archive* each session is exported and archived first, outside of
        any transaction, and removed after the archive has returned, if it is still
        soft-deleted and unchanged. If the archive raises, its session stays and the
        others are handled nevertheless. A session may be archived again, if it could
        not be removed after the first time, and always whole: one whose removal has
        begun is not.

        Returns:
            How many sessions were removed.

        Raises:
            ExceptionGroup: The exceptions of the archive, after all sessions were
                handled; each error has a note that names its session.
        """
        ...

    async def clean_orphaned_artifacts(self) -> int:
        """
        Remove the artifacts whose session does not exist; those of no session stay.

        Contents are not touched: what no artifact names any more is removed by
        :func:`asm_async.artifacts.remove_unnamed_contents`.

        Returns:
            How many artifacts were removed.
        """
        ...

    async def erase(
        self,
        *,
        tenant_id: str | None = None,
        user_id: str | None = None,
        session_ids: Iterable[str] | None = None,
        with_children: bool = False,
        artifact_store: ArtifactStore | None = None,
        grace_period: timedelta = GRACE_PERIOD,
        progress: Callable[[ErasureReport], object] | None = None,
        should_stop: Callable[[], bool] | None = None,
        before_removal: BeforeRemoval | None = None,
    ) -> ErasureReport:
        """
        Hard-delete all sessions of a tenant or a user, or some of them.

        At least one of *tenant_id*, *user_id* and *session_ids* is given; the sessions
        to erase are all that is given. They are erased whatever their state, soft-
        deleted ones too, with their runs, events, tags, artifacts and the state items
        that go with them. Nothing is archived. State items and artifacts of no session
        have no owner, and stay.

        Of each session a counter stays as of any that was hard-deleted, and a small row
        for each run, so that neither numbers nor revisions are used again; they do not
        say any more whose it was.

        **Resuming.** Up to 1,000 sessions at a time are closed first: from then on they
        cannot be written to or restored, and the next call finds those that this one
        leaves behind. Their contents go before the artifacts that name them. It is
        looked again, ten times at most, for sessions that were begun meanwhile.

        **Children.** With *with_children* the sessions whose *parent_session_id* is an
        erased one go too, theirs, and so on, before their parents: those of the
        parent's tenant that belong to its user or to no user. Others stay, unless they
        match themselves, and the report names them.

        **Contents.** A content is removed from *artifact_store* if no artifact of
        another session, or of none, names it. A content that was put less than
        *grace_period* ago stays, since another caller may have put the same content to
        register it. Remaining contents, also of an interrupted erasure and of sessions
        with equal contents that were erased at the same time, are removed by
        :func:`asm_async.artifacts.remove_unnamed_contents`.

        Args:
            tenant_id: The tenant of the sessions.

            user_id: The user of the sessions.

            session_ids: The sessions; an unknown id is ignored.

            with_children: Whether to erase child sessions with their parents.

            artifact_store:
                The store of the artifacts' contents; None to leave them to
                :func:`asm_async.artifacts.remove_unnamed_contents`.

            grace_period: As there.

            progress:
                Called after each batch with the present report; not awaited.

            should_stop: Asked before each batch, as by :meth:`execute`.

            before_removal:
                Awaited with the ids of some sessions that are closed, before anything
                of them is removed: perhaps again with the same ids, after an erasure
                that was interrupted. Its exceptions end the call.

        Returns:
            The numbers of removed records, and whether nothing is left.

        Raises:
            ValidationError: Also if none of the three is given.
        """
        ...

    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.

        Each session's counter, events, runs, tags and deletion are compared as of one
        moment, so that agents at work raise no false alarm. Every kind of damage is
        described by ``HealthIssueKind``. On a large database this reads every index.

        Of each kind the first 100 issues are returned, by subject; if there are more,
        one with the subject ``others`` says how many.

        Returns:
            The issues, by kind and subject; none if the database is sound.
        """
        ...
