"""
Where each shard is, as its primaries say, and the calls that go there.

What a primary says is believed for a second: its lease. A move begins two seconds after
the primary has said that the shard is leaving. So an answer that came while the lease
held is right; one that found nothing, and came later, is asked for again. Writes do not
depend on that: the primary's fence refuses those that are not for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TypeVar

import attrs
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import (
    ASMError,
    NotFoundError,
    StorageBusyError,
    StorageError,
    StorageUnavailableError,
    StoreClosedError,
)
from asm_async.sharding.claims import HOLDING, Claim, claims_in, holders_of
from asm_async.sharding.fences import is_fenced, read_claims
from asm_async.sharding.shards import SHARD_COUNT, ShardState, shard_key, shard_of
from asm_async.sql.transactions.transaction import Transactions

LEASE_SECONDS = 1.0
"""
How long, in seconds, a router believes what a primary has said of its shards.
"""

PAUSE_SECONDS = 0.02
"""
Seconds between two looks at where a shard is that is being moved.
"""

T = TypeVar("T")


@attrs.define
class _Question:
    """
    What is asked of a primary at once, and the answer.
    """

    keys: set[str] = attrs.field(factory=set[str])
    moved: Collection[str] | None = None
    error: ASMError | None = None


@attrs.define(eq=False)
class Primary:
    """
    One primary, and what it has said last of its shards.
    """

    name: str
    transactions: Transactions
    claims: Mapping[int, Claim] = attrs.field(init=False, factory=dict[int, Claim])
    _believed_until: float = attrs.field(init=False, default=0.0)
    _next: _Question = attrs.field(init=False, factory=_Question)
    _asking: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    @property
    def is_believed(self) -> bool:
        """
        Whether its lease holds.
        """
        return asyncio.get_running_loop().time() < self._believed_until

    def forget(self) -> None:
        """
        Ask again before what it has said is used.
        """
        self._believed_until = 0.0

    async def refresh(self) -> None:
        """
        Ask again if its lease is over.
        """
        if not self.is_believed:
            await self.ask()

    async def ask(self, *keys: str) -> Collection[str]:
        """
        Ask which shards it has, and return which of some keys have left, or arrived.

        Calls that wait at the same time ask once, after the last of them has begun.
        """
        question = self._next
        question.keys.update(keys)
        async with self._asking:
            if question.moved is None and question.error is None:
                self._next = _Question()
                asked_at = asyncio.get_running_loop().time()
                read = partial(read_claims, keys=question.keys)
                try:
                    self.claims, question.moved = await self.transactions.read(read)
                except ASMError as error:
                    question.error = error
                else:
                    self._believed_until = asked_at + LEASE_SECONDS
        if question.error is not None:
            raise question.error
        return question.moved or ()


@attrs.define
class Refusals:
    """
    The refusals of one call that concerns many sessions, some of which are being moved.
    """

    _timeout: float
    _deadline: float | None = attrs.field(init=False, default=None)

    async def wait_out(self, refusal: StorageError) -> None:
        """
        Wait a little for the move to go on.

        Raises:
            StorageError: The *refusal* itself, if no fence refused the call.

            StorageBusyError: If the first one was longer ago than the timeout.
        """
        if not is_fenced(refusal):
            raise refusal
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._timeout
        if now >= self._deadline:
            raise StorageBusyError(
                "a shard is being moved, and what is copied takes no writes: call again"
                " later; if its mover is no more, finish the move (asm shards move) or"
                " abandon it (asm shards abandon)"
            ) from refusal
        await asyncio.sleep(LEASE_SECONDS)


class Router:
    """
    Sends each call to the primary that its shard is on.

    Args:
        engines: The primaries' engines, by name.

        timeout: How long, in seconds, a call waits for a shard that is being moved.
    """

    def __init__(self, engines: Mapping[str, AsyncEngine], timeout: float) -> None:
        self.primaries: Mapping[str, Primary] = {
            name: Primary(name, Transactions(engine, timeout))
            for name, engine in engines.items()
        }
        self.timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None

    def check_loop(self) -> None:
        """
        Refuse another event loop than the first, also for primaries not yet used.
        """
        loop = asyncio.get_running_loop()
        if self._loop not in (None, loop):
            raise StoreClosedError(
                "these ports belong to another event loop: make others here"
            )
        self._loop = loop

    async def check_complete(self) -> None:
        """
        Refuse primaries that have not all shards between them, or one shard twice.
        """
        await asyncio.gather(*[each.refresh() for each in self.primaries.values()])
        for shard in range(SHARD_COUNT):
            holders_of(self._said(), shard)

    async def names_of(self, ids: Iterable[str] | None) -> Collection[str]:
        """
        Return the primaries that what these ids name is on; all of them for None.
        """
        self.check_loop()
        if ids is None:
            return self.primaries
        return {await self.home(each) for each in ids}

    async def home(self, id: str) -> str:  # noqa: A002 - any id
        """
        Return the primary that an id's shard is on, or the part of it with this id.

        Raises:
            StorageUnavailableError: If none that can be reached has it for longer than
                the timeout.
        """
        self.check_loop()
        shard, key = shard_of(id), shard_key(id)
        deadline = asyncio.get_running_loop().time() + self.timeout
        while True:
            holder = self._claimant(shard, *HOLDING)
            if holder is not None:
                if not await self._is_in_reach(holder, shard):
                    continue
                claim = holder.claims.get(shard)
                if claim is not None and claim.state in HOLDING:
                    is_whole = claim.state is ShardState.HERE
                    if is_whole or key not in await holder.ask(key):
                        return holder.name
            failures = await self._ask_again()
            # What has arrived is there, though the shard is not yet.
            target = self._claimant(shard, ShardState.ARRIVING)
            if target is not None and key in await target.ask(key):
                return target.name
            if self._claimant(shard, ShardState.HERE) is None:
                if failures:
                    raise failures[0]
                if asyncio.get_running_loop().time() > deadline:
                    raise StorageUnavailableError(f"shard {shard} is on no primary")
                await asyncio.sleep(PAUSE_SECONDS)

    async def _is_in_reach(self, holder: Primary, shard: int) -> bool:
        """
        Ask a primary again, or another that says it has a shard if that is no more.
        """
        try:
            await holder.refresh()
        except StorageError:
            # It may be out of service since the shard has left it.
            await self._ask_again(but=holder)
            if self._claimant(shard, *HOLDING) is holder:
                raise
            return False
        return True

    async def run(
        self,
        id: str,  # noqa: A002 - any id
        call: Callable[[str], Awaitable[T]],
        is_final: Callable[[T], object],
    ) -> T:
        """
        Make a call where an id's shard is, again if it has been moved meanwhile.

        Args:
            id: Of what the call is about.

            call: Takes the name of a primary. It is repeated only if nothing was
                written.

            is_final: Whether the result stands wherever the shard is now, since the
                call has written.
        """
        deadline = asyncio.get_running_loop().time() + self.timeout
        while True:
            name = await self.home(id)
            error: NotFoundError | StorageError
            try:
                result = await call(name)
                if is_final(result) or await self._is_home(name, id):
                    return result
                continue
            except NotFoundError as not_found:
                error = not_found
                # A write depends on no clock: what is not here may have been moved.
                self.primaries[name].forget()
                if await self._is_home(name, id):
                    raise
            except StorageError as refusal:
                error = refusal
                if not is_fenced(refusal):
                    raise
                self.primaries[name].forget()
            if asyncio.get_running_loop().time() > deadline:
                raise StorageUnavailableError(
                    f"shard {shard_of(id)} is being moved, and primary {name!r} refuses"
                    " the call: try again, or finish the move"
                ) from error
            await asyncio.sleep(PAUSE_SECONDS)

    async def is_moving(self) -> bool:
        """
        Return whether a shard is being moved.
        """
        self.check_loop()
        await self._refresh(self.primaries.values())
        return any(
            claim.state in {ShardState.LEAVING, ShardState.CLOSING}
            for each in self.primaries.values()
            for claim in each.claims.values()
        )

    async def _is_home(self, name: str, id: str) -> bool:  # noqa: A002 - any id
        return await self.home(id) == name

    def _claimant(self, shard: int, *states: ShardState) -> Primary | None:
        """
        Return the primary that last said so of a shard; the latest move counts.
        """
        names = claims_in(self._said(), shard, *states)
        return next((self.primaries[name] for name in names), None)

    def _said(self) -> dict[str, Mapping[int, Claim]]:
        return {name: each.claims for name, each in self.primaries.items()}

    async def _ask_again(self, but: Primary | None = None) -> list[StorageError]:
        """
        Ask all primaries, since one that was believed to have a shard has it no more.
        """
        asked = [each for each in self.primaries.values() if each is not but]
        for each in asked:
            each.forget()
        return await self._refresh(asked)

    async def _refresh(self, asked: Iterable[Primary]) -> list[StorageError]:
        results = await asyncio.gather(
            *[each.refresh() for each in asked], return_exceptions=True
        )
        for each in results:
            if each is not None and not isinstance(each, StorageError):
                raise each
        return [each for each in results if isinstance(each, StorageError)]
