"""
Maintenance over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.fronts.maintenance import Batches, MaintenanceFront
from asm_async.fronts.observing import Observation, observed_call
from asm_async.fronts.retention import utc_now
from asm_async.sql.core import tables
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.health.check import check_health
from asm_async.sql.readers.readers import Readers
from asm_async.sql.retention.batches import ThrottledWriter, chained
from asm_async.sql.retention.deleting import restore, soft_delete, stored_session
from asm_async.sql.retention.erasing import SQLErasure
from asm_async.sql.retention.expiry import (
    hard_delete_expired_sessions,
    soft_delete_expired_sessions,
)
from asm_async.sql.retention.orphans import (
    close_orphaned_counters,
    remove_orphaned_artifacts,
)
from asm_async.sql.retention.pruning import (
    prune_long_sessions,
    prune_session,
    prune_to_total,
)
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.transaction import Transaction, Transactions
from asm_async.values import fields
from asm_async.values.maintenance import HealthIssue, MaintenanceStep
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session


class SQLMaintenance(MaintenanceFront):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` on SQLite or PostgreSQL.

    The engine stays the caller's: it is neither reconfigured nor disposed, and it may
    be shared with stores. It is used within one event loop.

    A batch whose connection was lost is done again; if it was committed nevertheless,
    the second try finds nothing to do and is not counted.

    A session of very many rows is removed in parts. From the first part on it can be
    restored no longer, and is not archived again.

    Args:
        engine:
            Made by :func:`~asm_async.sql.create_engine`, or any AsyncEngine over
            aiosqlite or asyncpg.

        timeout:
            How long, in seconds, a batch goes on trying while the database is busy or
            out of reach, before ``StorageBusyError`` or ``StorageUnavailableError``.

        readers: Whose standbys a health check looks at, too.

        clock: Returns the time that ages are measured by and deletions are marked with.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        timeout: float = 30.0,
        readers: Readers | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.engine = engine
        self._transactions = Transactions(engine, check_timeout(timeout))
        self.observation: Observation | None = self._transactions.observation
        self._writes = ThrottledWriter(self._transactions)
        self._lifecycle = Lifecycle(self._transactions)
        self._readers = readers
        self._clock = fields.function(clock, "clock")

    @observed_call
    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.

        On SQLite the database's own check is the thorough one, which may take minutes
        where there are gigabytes: give a port for that a *timeout* that is as long. On
        PostgreSQL it is no more than the state of the indexes: for the rest there is
        the extension ``amcheck``.
        """
        self._lifecycle.check_usable()
        return await check_health(self._transactions, self._readers)

    def _call(self) -> Lifecycle:
        return self._lifecycle

    def _batches(self, step: MaintenanceStep, policy: RetentionPolicy) -> Batches:
        writes, now = self._writes, self._clock()
        match step:
            case MaintenanceStep.SOFT_DELETE_EXPIRED_SESSIONS:
                return soft_delete_expired_sessions(writes, policy, now)
            case MaintenanceStep.HARD_DELETE_EXPIRED_SESSIONS:
                return hard_delete_expired_sessions(writes, policy, now)
            case MaintenanceStep.PRUNE_EVENTS:
                prunings = prune_long_sessions, prune_to_total
                return chained(prune(writes, policy) for prune in prunings)
            case MaintenanceStep.CLEAN_ORPHANED_ARTIFACTS:
                return remove_orphaned_artifacts(writes)
            case MaintenanceStep.CLEAN_ORPHANED_SEQUENCES:
                return close_orphaned_counters(writes, policy)

    def _erasure(self) -> SQLErasure:
        return SQLErasure(self._writes, self._clock(), self._lifecycle.tell_of)

    async def _prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        async with self._lifecycle:
            return await prune_session(self._writes, policy, session_id)

    async def _soft_delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        now = self._clock()

        async def mark(transaction: Transaction) -> Session:
            is_tenants = None
            if expected_tenant is not None:
                is_tenants = tables.sessions.c.tenant_id == expected_tenant
            await soft_delete(transaction, [session_id], now, is_tenants)
            return await stored_session(transaction, session_id, expected_tenant)

        return await self._change(session_id, mark)

    async def _restore_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        undo = partial(restore, session_id=session_id, tenant=expected_tenant)
        return await self._change(session_id, undo)

    async def _change(
        self, session_id: str, work: Callable[[Transaction], Awaitable[Session]]
    ) -> Session:
        """
        Delete or restore one session, once: doing it again could undo another's doing.
        """
        async with self._lifecycle:
            session = await self._transactions.write(work, is_repeatable=False)
            self._lifecycle.tell_of(session_id)
        return session
