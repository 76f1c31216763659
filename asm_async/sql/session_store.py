"""
The session store over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any, cast

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ASMError, RunNotFoundError, SessionNotFoundError
from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.following import wait_for_events
from asm_async.fronts.observing import Observation
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.feed_timing import WAIT_POLL_INTERVAL
from asm_async.sql.core.prepared import Prepared
from asm_async.sql.feed.context import poll
from asm_async.sql.readers.readers import Readers
from asm_async.sql.readers.routing import Reads, reads_of
from asm_async.sql.reads import session_queries
from asm_async.sql.reads.visible_events import read_visible
from asm_async.sql.retention.batches import ThrottledWriter
from asm_async.sql.retention.deleting import HardDeletion
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.state_store import SQLStateStore
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.transfer.copies import CopyInParts
from asm_async.sql.writes.append_plan import AppendEvents, EventTexts
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import (
    Commit,
    Operation,
    Outcome,
    RetractEvents,
)
from asm_async.sql.writes.writer import Writer
from asm_async.values.changes import Committed
from asm_async.values.event import Event, EventSnapshot
from asm_async.values.fields import MAX_COUNT
from asm_async.values.retraction import Ranges, hidden_ranges
from asm_async.values.run import Run
from asm_async.values.session import Session

_POLL_NAME = "poll for get_events"


class SQLSessionStore(SessionStoreFront):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` on SQLite or PostgreSQL.

    The engine stays the caller's: it is neither reconfigured nor disposed, and it may
    be shared with other stores. It is used within one event loop.

    Args:
        engine:
            Made by :func:`~asm_async.sql.create_engine`, or any AsyncEngine over
            aiosqlite or asyncpg.

        timeout:
            How long, in seconds, a call goes on trying while the database is busy, out
            of reach or silent, before it raises ``StorageBusyError`` or
            ``StorageUnavailableError``; also how long a cancelled call waits for the
            outcome of what it had begun. It ends a second later at the most.

        readers: Which standbys may answer reads inside of their blocks; see
            :meth:`~asm_async.sql.Readers.reading`.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        readers: Readers | None = None,
    ) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self._readers = readers
        self._reads = reads_of(readers, self._transactions, by_default=False)
        self.observation: Observation | None = self._transactions.observation
        self._groups = GroupCommit(
            Writer(self._transactions),
            observation=self.observation,
            locks_sessions=not self._transactions.dialect.serialises_writers,
        )
        self._lifecycle = Lifecycle(self._transactions)
        self._update_seconds = timeout
        self._dialect = self._transactions.dialect
        self._is_decoded = True

    def undecoded(self) -> SQLSessionStore:
        """
        Return this store for those who pass on what they read, and do not look at it.

        The JSON of sessions, runs and events that it finds by id is not decoded:
        ``EncodedJSON`` replaces it.
        """
        store = copy(self)
        store._is_decoded = False  # noqa: SLF001 - of the same class
        return store

    def state_store(self) -> SQLStateStore:
        """
        Return a state store whose calls share their transactions with this store's.
        """
        return SQLStateStore.beside(self._transactions, self._groups)

    @property
    def waiting_writes(self) -> int:
        """
        How many writes wait for their transactions to begin; from any thread.
        """
        return self._groups.waiting_count

    async def open(self) -> None:
        """
        Look at the database now rather than at the first call.

        Raises:
            MigrationRequiredError: If its schema is missing, older or newer than this
                code.

            UnsupportedOperationError: If the promises cannot be kept on it.
        """
        async with self._lifecycle:
            pass

    async def aclose(self) -> None:
        """
        Finish the calls in progress and refuse later ones; the engine stays open.
        """
        await self._lifecycle.aclose()
        await self._groups.aclose()
        await self._lifecycle.settle()

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        query = session_queries.session_by_id(
            self._dialect,
            has_tenant=expected_tenant is not None,
            is_decoded=self._is_decoded,
        )
        values = {"id": session_id, "expected_tenant": expected_tenant}
        for row in await self._fetch(query, values):
            return rows.session_of(row)
        raise SessionNotFoundError(session_id)

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        values = session_queries.given(wanted)
        query = session_queries.listed_sessions(self._dialect, frozenset(values))
        return [rows.session_of(row) for row in await self._fetch(query, values)]

    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None:
        deletion = HardDeletion(session_id, expected_tenant)
        self._leave_standbys()
        async with self._lifecycle:
            is_gone = await self._transactions.write(deletion.go_on, is_repeatable=True)
            self._lifecycle.tell_of(session_id)
            # Others that write meanwhile wait for one part, not for all of it.
            parts = ThrottledWriter(self._transactions)
            while not is_gone:
                is_gone = await parts.write(deletion.go_on)

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        query = session_queries.run_by_id(
            self._dialect,
            has_tenant=expected_tenant is not None,
            is_decoded=self._is_decoded,
        )
        values = {"id": run_id, "expected_tenant": expected_tenant}
        for row in await self._fetch(query, values):
            return rows.run_of(row)
        raise RunNotFoundError(run_id)

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        values = session_queries.given(wanted)
        query = session_queries.runs_of(self._dialect, frozenset(values))
        values["session_id"] = session_id
        found = await self._fetch_of(session_id, wanted.expected_tenant, query, values)
        return [rows.run_of(row) for row in found]

    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None:
        has_tenant = expected_tenant is not None
        query = session_queries.active_run(self._dialect, has_tenant=has_tenant)
        values = {"session_id": session_id, "expected_tenant": expected_tenant}
        # It decides about what is done next.
        reads = self._transactions
        found = await self._fetch_of(session_id, expected_tenant, query, values, reads)
        return rows.run_of(found[0]) if found else None

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        if not batch:
            async with self._lifecycle:
                return []
        events, texts = _events_and_texts(batch)
        operation = AppendEvents(events, expected_sequence, texts, expected_tenant)
        return cast("list[Event]", await self._perform(operation))

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        if changes.is_events_alone and not expected.expected_revisions:
            # These have a faster way.
            stored = await self._append(
                changes.batch, expected.expected_sequence, expected.expected_tenant
            )
            return Committed(events=tuple(stored))
        events, texts = _events_and_texts(changes.batch)
        operation = Commit(changes, expected, events, texts)
        return cast("Committed", await self._perform(operation))

    async def _retract(self, retraction: Retraction) -> list[Event]:
        operation = RetractEvents(retraction)
        return cast("list[Event]", await self._perform(operation))

    async def _copy_session(self, copy: SessionCopy) -> Session:
        self._leave_standbys()
        async with self._lifecycle:
            parts = CopyInParts(copy)
            return await parts.write(self._transactions, self._lifecycle)

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        read = partial(self._read_events, session_id, wanted)
        if not wanted.wait_timeout:
            return await read()
        # What ends the wait is on the primary, and a standby may not have it yet.
        self._leave_standbys()
        # The wait is a call of its own, so that closing the store sees its end.
        async with self._lifecycle:
            shared = self._lifecycle.check_usable()
            # One look for all who wait notices what other processes write: to listen or
            # to watch a file would cost more than a wait that is soon over.
            look = partial(poll, self._transactions, shared.hub, WAIT_POLL_INTERVAL)
            shared.tasks.join(_POLL_NAME, look)
            try:
                waiting = shared.hub.waiting_for(session_id)
                return await wait_for_events(read, waiting, wanted.wait_timeout)
            finally:
                await shared.tasks.leave(_POLL_NAME)

    async def _read_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        if not wanted.visible_only:
            return await self._read_ranges(session_id, wanted, ())
        tenant = wanted.expected_tenant
        has_tenant = tenant is not None
        query = session_queries.what_is_visible(self._dialect, has_tenant=has_tenant)
        values = {"session_id": session_id, "expected_tenant": tenant}
        for latest, data in await self._fetch(query, values):
            hidden = () if data is None else hidden_ranges(data)
            read = partial(self._read_ranges, session_id)
            return await read_visible(read, wanted, hidden, latest)
        if has_tenant:
            raise SessionNotFoundError(session_id)
        return []

    async def _read_ranges(
        self, session_id: str, wanted: EventFilter, ranges: Ranges
    ) -> list[Event]:
        """
        Read events of the ranges, if there are any; one is as good as two bounds.
        """
        if len(ranges) == 1:
            ((first, last),) = ranges
            before = last + 1 if last < MAX_COUNT else None
            wanted = attrs.evolve(wanted, after=first - 1, before=before)
        has_ranges = len(ranges) > 1
        values = session_queries.given(wanted)
        query = session_queries.events_of(
            self._dialect,
            frozenset(values),
            is_decoded=self._is_decoded,
            has_ranges=has_ranges,
        )
        values |= {"session_id": session_id, "after": wanted.after or 0}
        if has_ranges:
            values |= self._dialect.range_values("ranges", ranges)
        if wanted.ids is not None:
            values["ids"] = self._dialect.list_value(wanted.ids)
        found = await self._fetch_of(session_id, wanted.expected_tenant, query, values)
        events = [Event.from_stored(row) for row in found]
        return events if wanted.last is None else events[::-1]

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        has_tenant = expected_tenant is not None
        query = session_queries.latest_sequence(self._dialect, has_tenant=has_tenant)
        values = {"session_id": session_id, "expected_tenant": expected_tenant}
        for (number,) in await self._fetch(query, values, self._transactions):
            return cast("int", number)
        if has_tenant:
            raise SessionNotFoundError(session_id)
        return 0

    async def _fetch_of(
        self,
        session_id: str,
        expected_tenant: str | None,
        query: Prepared,
        values: Mapping[str, Any],
        reads: Reads | None = None,
    ) -> list[list[Any]]:
        """
        Fetch what a session has, which is nothing where another tenant's is looked at.

        Raises:
            SessionNotFoundError: If it is nothing for that reason.
        """
        found = await self._fetch(query, values, reads)
        if not found and expected_tenant is not None:
            # One that is the tenant's by now had nothing when it began.
            await self._get_latest_sequence(session_id, expected_tenant)
        return found

    async def _fetch(
        self, query: Prepared, values: Mapping[str, Any], reads: Reads | None = None
    ) -> list[list[Any]]:
        async with self._lifecycle:
            return await (reads or self._reads).fetch(query, values)

    def _leave_standbys(self) -> None:
        if self._readers is not None:
            self._readers.stay_with_primary()

    async def _perform(self, operation: Operation) -> Outcome:
        self._leave_standbys()
        async with self._lifecycle:
            outcome = await self._groups.submit(
                operation, self._lifecycle.seconds_left()
            )
        if isinstance(outcome, ASMError):
            raise outcome
        return outcome


def _events_and_texts(
    batch: Sequence[EventSnapshot],
) -> tuple[tuple[Event, ...], tuple[EventTexts, ...]]:
    events = tuple([event for event, _, _ in batch])
    return events, tuple([(data, metadata) for _, data, metadata in batch])
