"""
When a store may be used: within one event loop, and until it is closed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncConnection

from asm_async.errors import StoreClosedError
from asm_async.sql.core.engine_state import log_throttle_of
from asm_async.sql.migrations import check_schema
from asm_async.sql.runtime.shared_state import SharedState, shared_state
from asm_async.sql.transactions.transaction import Transactions

_LOG = logging.getLogger(__name__)


class Lifecycle:
    """
    Encloses every call on a store, and knows how many are still under way.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._shared: SharedState | None = None
        self._is_checked = False
        self._calls = 0
        self._all_done = asyncio.Event()
        self._is_closed = False

    def check_usable(self) -> SharedState:
        """
        Refuse a store that was closed, or is called from another event loop.

        Raises:
            StoreClosedError: Saying which.
        """
        if self._is_closed:
            raise StoreClosedError("the store was closed: open another one")
        if self._shared is None:
            self._shared = shared_state(self._transactions.engine)
        # Followers ask between any two events.
        if self._shared.loop is not asyncio.get_running_loop():
            self._refuse_loop(self._shared)
        return self._shared

    def _refuse_loop(self, shared: SharedState) -> NoReturn:
        if shared.state.is_inherited():
            where = "to the process from which this one was forked"
        elif shared.loop.is_closed():
            where = "to another event loop, which was closed"
        else:
            where = "to another event loop"
        raise StoreClosedError(f"the store belongs {where}: make another one here")

    async def __aenter__(self) -> None:
        """
        Begin a call of a method; the first one looks at the database, too.

        Raises:
            StoreClosedError: If the store cannot be used.

            MigrationRequiredError: If the schema is not the one that this code needs.

            UnsupportedOperationError: If the promises cannot be kept on this database.
        """
        self.check_usable()
        self._calls += 1
        if not self._is_checked:
            try:
                await self._check()
            except BaseException:
                self._end_call()
                raise
            self._is_checked = True

    async def __aexit__(self, *_: object) -> None:
        self._end_call()

    def _end_call(self) -> None:
        self._calls -= 1
        if (first_calls := self._transactions.first_calls).deadlines:
            first_calls.end()
        if not self._calls:
            self._all_done.set()

    def seconds_left(self) -> float:
        """
        Return how long, in seconds, a call of this task may take from now on.

        That is the timeout, but for a call that has looked at the database first.
        """
        timeout, first_calls = (
            self._transactions.timeout,
            self._transactions.first_calls,
        )
        return first_calls.take_seconds(timeout) if first_calls.deadlines else timeout

    async def _check(self) -> None:
        transactions, first_calls = self._transactions, self._transactions.first_calls
        deadline = asyncio.get_running_loop().time() + transactions.timeout
        first_calls.begin(deadline)
        await transactions.read(self._check_database)
        if transactions.is_read_only:
            # A connection that was made before a failover says so as well.
            transactions.connections.forget_idle()
            first_calls.begin(deadline)
            await transactions.read(self._check_database)
        if transactions.is_read_only:
            log_throttle_of(transactions.engine).log(
                _LOG,
                logging.WARNING,
                "the server takes no writes: it is a standby, or read-only",
            )
        # What is left of the timeout is for what the call itself does.
        first_calls.begin(deadline)

    async def _check_database(self, conn: AsyncConnection) -> None:
        self._transactions.dialect.check_engine(self._transactions.engine)
        await self._transactions.dialect.check_server(conn)
        await check_schema(conn)
        is_read_only = await self._transactions.dialect.is_read_only(conn)
        self._transactions.is_read_only = is_read_only
        state = shared_state(self._transactions.engine).state
        if not state.is_looked_over:
            state.is_looked_over = True
            await self._transactions.dialect.see_to_settings(conn)

    async def aclose(self) -> None:
        """
        Refuse new calls and wait for those under way.

        Raises:
            StoreClosedError: If called from another event loop.
        """
        shared = self._shared
        if shared is not None and shared.loop is not asyncio.get_running_loop():
            self._refuse_loop(shared)
        self._is_closed = True
        if shared is not None:
            shared.hub.notify_all()
        while self._calls:
            self._all_done.clear()
            await self._all_done.wait()
        await self._transactions.aclose()

    def tell_of(self, session_id: str) -> None:
        """
        Wake those who wait for a change of this session, here and elsewhere.
        """
        if self._shared is not None:
            self._shared.hub.publish((session_id,))

    async def settle(self) -> None:
        """
        Wait until other processes have been told of what was written.
        """
        if self._shared is not None:
            await self._shared.announcer.settle()
