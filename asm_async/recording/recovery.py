"""
How runs are ended whose recorder is dead.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import attrs

from asm_async.errors import (
    ConflictError,
    NotFoundError,
    SessionDeletedError,
    ValidationError,
)
from asm_async.ports.query_api import MAX_PAGE_SIZE
from asm_async.ports.together import Ports
from asm_async.recording.endings import INTERRUPTED, failed
from asm_async.recording.leases import LeaseTerm, RunItems, term_of
from asm_async.recording.repeated_commit import commit_repeatedly
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.run import Run, RunStatus
from asm_async.values.state_item import StateItem

_LOG = logging.getLogger(__name__)

MAX_CLOCK_SKEW = 86_400.0
"""
The most, in seconds, that clocks may be told to differ by: a day.
"""

_MAX_WATCHED = 10_000


@attrs.define(kw_only=True)
class RecoveryReport:
    """
    The result of a recovery.
    """

    ended: list[Run] = attrs.field(factory=list[Run])
    """
    The runs that it has ended, as they are stored now.
    """

    alive: int = 0
    """
    How many runs are being recorded, or were ended by another process meanwhile.
    """

    without_lease: int = 0
    """
    How many runs are running without a lease, and were not changed.
    """

    refused: int = 0
    """
    How many runs were interrupted, but stay as they are: their sessions are deleted.
    """


@attrs.frozen(kw_only=True)
class _Suspect:
    """
    A run whose recorder has not been heard of since it was first looked at.
    """

    run: Run
    items: RunItems
    lease: StateItem | None
    exclusive: StateItem | None
    due: float
    """
    When it is to be given up if nothing changes, on the loop's clock.
    """


async def recover_interrupted_runs(
    ports: Ports,
    *,
    tenant_id: str | None = None,
    session_id: str | None = None,
    max_clock_skew: float = 300.0,
    unleased_after: timedelta | None = None,
) -> RecoveryReport:
    """
    End the recorded runs whose recorder is dead: failed, with the code ``interrupted``.

    Each run is ended with its event ``run_failed``, and its lease removed, in one
    commit, which succeeds only if nothing was heard of its recorder until then. So any
    number of processes may recover at once, beside those that record: each run is ended
    once, and none that is recorded by a process that renews its lease.

    A lease that ran out more than *max_clock_skew* ago, by the recorder's clock, is
    given up at once. Any other one is watched for as long as a recorder that lives may
    be silent: a third longer than its lease lasts, 80 seconds unless the recorder asked
    for another time; so the call takes that long if there are any, also where they are
    alive. Call it when a process starts, in a task of its own, and from time to time.

    Tool calls without a result are left as they are: a transcript closes them.

    Args:
        ports: The ports over one database.

        tenant_id: Only runs of sessions of this tenant.

        session_id: Only runs of this session.

        max_clock_skew:
            By how many seconds the clocks of hosts that record may differ from this
            one's, 0 to 86,400.

        unleased_after:
            Also end runs without a lease, such as those that were saved by hand, if
            they were started so long ago. Nothing shows whether their process lives.

    Returns:
        The ended runs, and how many were not changed.

    Raises:
        ValidationError: Naming the argument that is wrong.

        StorageError: If the database fails; what was ended stays so, and a repeated
            call goes on.
    """
    fields.instance(ports, "ports", Ports)
    recovery = _Recovery(
        ports,
        max_clock_skew=_checked_skew(max_clock_skew),
        unleased_after=_checked_age(unleased_after),
    )
    await recovery.look_at_all(tenant_id, session_id)
    return recovery.report


class _Recovery:
    """
    One call of :func:`recover_interrupted_runs`.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        max_clock_skew: float,
        unleased_after: timedelta | None,
    ) -> None:
        self.report = RecoveryReport()
        self._ports = ports
        self._skew = timedelta(seconds=max_clock_skew)
        self._unleased_after = unleased_after
        self._watched: list[_Suspect] = []

    async def look_at_all(self, tenant_id: str | None, session_id: str | None) -> None:
        """
        Go through all running runs, page by page, and end those that are dead.
        """
        async for run in self._running(tenant_id, session_id):
            await self._look_at(run)
            if len(self._watched) >= _MAX_WATCHED:
                await self._watch()
        await self._watch()

    async def _running(
        self, tenant_id: str | None, session_id: str | None
    ) -> AsyncIterator[Run]:
        cursor: str | None = None
        while True:
            page = await self._ports.query.search_runs(
                tenant_id=tenant_id,
                session_id=session_id,
                status=RunStatus.RUNNING,
                order_by="started_at_asc",
                limit=MAX_PAGE_SIZE,
                cursor=cursor,
            )
            for run in page:
                yield run
            cursor = page.cursor
            if cursor is None:
                return

    async def _look_at(self, run: Run) -> None:
        suspect = await self._suspect(run)
        term = None if suspect.lease is None else term_of(suspect.lease)
        if term is None:
            await self._look_at_unleased(suspect)
            return
        left = self._seconds_left(term)
        if left <= 0:
            await self._end(suspect)
        else:
            due = asyncio.get_running_loop().time() + left
            self._watched.append(attrs.evolve(suspect, due=due))

    async def _suspect(self, run: Run) -> _Suspect:
        items = RunItems(run.session_id, run.id)
        keys = {items.lease[1]: items.lease, items.exclusive[1]: items.exclusive}
        found = await self._ports.state.get_items(items.scope, list(keys))
        exclusive = found.get(items.exclusive[1])
        return _Suspect(
            run=run,
            items=items,
            lease=found.get(items.lease[1]),
            exclusive=exclusive if exclusive and items.owns(exclusive) else None,
            due=0.0,
        )

    def _seconds_left(self, term: LeaseTerm) -> float:
        """
        Return how long to watch a lease before its recorder is known to be dead.

        By the clocks alone that is known once it ran out so long ago that no clock can
        be so wrong. A recorder that lives is never silent for longer than its lease
        allows, whatever its clock says.
        """
        silence = term.longest_silence
        over = term.renewed_at + timedelta(seconds=silence) + self._skew
        left = (over - datetime.now(UTC)).total_seconds()
        return min(left, silence)

    async def _look_at_unleased(self, suspect: _Suspect) -> None:
        age = datetime.now(UTC) - suspect.run.started_at
        if self._unleased_after is not None and age > self._unleased_after:
            await self._end(suspect)
        else:
            self.report.without_lease += 1

    async def _watch(self) -> None:
        """
        Wait for each lease that is watched, and end its run if nobody has renewed it.
        """
        clock = asyncio.get_running_loop().time
        watched = sorted(self._watched, key=lambda suspect: suspect.due)
        self._watched = []
        for suspect in watched:
            await asyncio.sleep(max(0.0, suspect.due - clock()))
            now = await self._suspect(suspect.run)
            if now.lease is None or now.lease.revision != _revision(suspect.lease):
                self.report.alive += 1
            else:
                await self._end(suspect)

    async def _end(self, suspect: _Suspect) -> None:
        run, items = suspect.run, suspect.items
        end = failed(INTERRUPTED, "the process that recorded the run is gone")
        ended, event = end(run, datetime.now(UTC), None)
        expected: dict[str | tuple[str, str], int] = {
            run.id: run.revision,
            items.lease: _revision(suspect.lease),
        }
        removed = [items.lease]
        if suspect.exclusive is not None:
            expected[items.exclusive] = suspect.exclusive.revision
            removed.append(items.exclusive)
        try:
            committed = await commit_repeatedly(
                self._ports.store,
                Changes(runs=(ended,), events=(event,), removed_items=tuple(removed)),
                expected_revisions=expected,
            )
        except SessionDeletedError:
            self.report.refused += 1
        except (ConflictError, NotFoundError):
            # It was renewed, ended or deleted by somebody else in the last moment.
            self.report.alive += 1
        else:
            _LOG.info("run %s was interrupted, and is ended", run.id)
            self.report.ended.append(committed.runs[0])


def _revision(item: StateItem | None) -> int:
    return 0 if item is None else item.revision


def _checked_skew(value: object) -> float:
    seconds = fields.total_amount(value, "max_clock_skew")
    if seconds > MAX_CLOCK_SKEW:
        raise ValidationError(
            f"max_clock_skew: expected up to {MAX_CLOCK_SKEW:.0f} seconds"
        )
    return seconds


def _checked_age(value: object) -> timedelta | None:
    age = fields.optional(
        value, "unleased_after", lambda v, name: fields.instance(v, name, timedelta)
    )
    if age is not None and age < timedelta(0):
        raise ValidationError("unleased_after: expected 0 or more")
    return age
