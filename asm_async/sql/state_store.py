"""
The state store over an AsyncEngine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self, cast

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ASMError, SessionNotFoundError
from asm_async.fronts.observing import Observation
from asm_async.fronts.saving_items import ItemsToDelete, ItemsToSave
from asm_async.fronts.state_store import (
    ItemFilter,
    SessionItemFilter,
    StateStoreFront,
)
from asm_async.sql.core import rows
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.core.prepared import Prepared
from asm_async.sql.reads import item_queries, session_queries
from asm_async.sql.retention.batches import ThrottledWriter
from asm_async.sql.retention.scopes import ScopeDeletion
from asm_async.sql.runtime.lifecycle import Lifecycle
from asm_async.sql.transactions.transaction import Transactions
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import DeleteItems, Operation, Outcome, SaveItems
from asm_async.sql.writes.writer import Writer
from asm_async.values.state_item import StateItem


class SQLStateStore(StateStoreFront):
    """
    A :class:`~asm_async.ports.state_store.StateStore` on SQLite or PostgreSQL.

    The engine stays the caller's, as that of a session store does. The state store of
    :class:`~asm_async.sql.SQLPorts`, or of
    :meth:`~asm_async.sql.SQLSessionStore.state_store`, shares its transactions with
    the session store beside it; one that is made by itself has its own.

    Args:
        engine: As for :class:`~asm_async.sql.SQLSessionStore`.

        timeout: As there.

    Raises:
        UnsupportedOperationError: If the engine speaks to another database or driver.
    """

    def __init__(self, engine: AsyncEngine, *, timeout: float = 30.0) -> None:
        transactions = Transactions(engine, check_timeout(timeout))
        locks_sessions = not transactions.dialect.serialises_writers
        groups = GroupCommit(
            Writer(transactions),
            observation=transactions.observation,
            locks_sessions=locks_sessions,
        )
        self._set_up(transactions, groups)

    @classmethod
    def beside(cls, transactions: Transactions, groups: GroupCommit) -> Self:
        """
        Return one that shares the transactions of a session store.
        """
        store = cls.__new__(cls)
        store._set_up(transactions, groups)  # noqa: SLF001 - of the same class
        return store

    def _set_up(self, transactions: Transactions, groups: GroupCommit) -> None:
        self.engine: AsyncEngine = transactions.engine
        self._transactions = transactions
        self.observation: Observation | None = self._transactions.observation
        self._groups = groups
        self._dialect = transactions.dialect
        self._lifecycle = Lifecycle(transactions)

    async def aclose(self) -> None:
        """
        Finish the calls in progress and refuse later ones; the engine stays open.
        """
        await self._lifecycle.aclose()
        await self._groups.aclose()

    async def _save_items(self, save: ItemsToSave) -> list[StateItem]:
        if not save.items and not save.expected:
            async with self._lifecycle:
                return []
        return cast("list[StateItem]", await self._perform(SaveItems(save)))

    async def _get_items(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        query = item_queries.items_of_keys(self._dialect)
        values = {"scope": scope, "keys": self._dialect.list_value(keys)}
        return await self._fetch(query, values)

    async def _list_items(self, scope: str, wanted: ItemFilter) -> list[StateItem]:
        query = item_queries.listed_items(
            self._dialect,
            descending=wanted.descending,
            with_content=wanted.with_content,
            bounds=item_queries.bounds_of(wanted),
        )
        return await self._fetch(query, item_queries.given(scope, wanted))

    async def _list_session_items(self, wanted: SessionItemFilter) -> list[StateItem]:
        values = item_queries.given_of_session(wanted)
        bounds = frozenset(name for name in values if values[name] not in {None, ""})
        query = item_queries.items_of_session(
            self._dialect, with_content=wanted.with_content, bounds=bounds
        )
        if (
            found := await self._fetch(query, values)
        ) or "expected_tenant" not in bounds:
            return found
        # A session that is the tenant's by now had nothing when it began.
        its = session_queries.session_by_id(self._dialect, has_tenant=True)
        whose = {"id": wanted.session_id, "expected_tenant": wanted.expected_tenant}
        async with self._lifecycle:
            if await self._transactions.fetch(its, whose):
                return []
        raise SessionNotFoundError(wanted.session_id)

    async def _delete_items(self, deletion: ItemsToDelete) -> int:
        return cast("int", await self._perform(DeleteItems(deletion)))

    async def _delete_scope(self, scope: str) -> None:
        deletion = ScopeDeletion(scope)
        async with self._lifecycle:
            is_gone = await self._transactions.write(deletion.go_on, is_repeatable=True)
            # Others that write meanwhile wait for one part, not for all of it.
            parts = ThrottledWriter(self._transactions)
            while not is_gone:
                is_gone = await parts.write(deletion.go_on)

    async def _fetch(
        self, query: Prepared, values: Mapping[str, Any]
    ) -> list[StateItem]:
        async with self._lifecycle:
            found = await self._transactions.fetch(query, values)
        return [rows.item_of(row) for row in found]

    async def _perform(self, operation: Operation) -> Outcome:
        async with self._lifecycle:
            outcome = await self._groups.submit(
                operation, self._lifecycle.seconds_left()
            )
        if isinstance(outcome, ASMError):
            raise outcome
        return outcome
