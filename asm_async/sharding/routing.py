"""
How a port over several primaries is made of the ports of each.
"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import attrs

from asm_async.errors import NotFoundError, StorageBusyError, StorageError
from asm_async.sharding.router import PAUSE_SECONDS, Refusals, Router

B = TypeVar("B")
P = ParamSpec("P")
T = TypeVar("T")


def always(_: object) -> bool:
    """
    Return that a call has found what it is about.
    """
    return True


def never(_: object) -> bool:
    """
    Return that a call does not say whether it has found what it is about.
    """
    return False


@attrs.frozen(eq=False)
class Shards(Generic[B]):
    """
    One port of each primary, behind the router.
    """

    router: Router
    ports: Mapping[str, B]

    async def on(
        self,
        id: str,  # noqa: A002 - any id
        call: Callable[[B], Awaitable[T]],
        is_found: Callable[[T], object] = always,
    ) -> T:
        """
        Make a call of the port where an id's shard is.
        """
        return await self.router.run(id, lambda name: call(self.ports[name]), is_found)

    async def everywhere(
        self,
        call: Callable[[B], Awaitable[T]],
        ids: Iterable[str] | None = None,
    ) -> list[T]:
        """
        Make a call of the port of every primary at once, or of those that *ids* are on.

        It may be repeated: where it would write to what is being moved, it waits.

        Raises:
            StorageUnavailableError: If one of them is out of reach.

            StorageBusyError: If the move took longer than the timeout.
        """

        async def make(port: B) -> T:
            refused = Refusals(self.router.timeout)
            while True:
                try:
                    return await call(port)
                except StorageError as refusal:
                    await refused.wait_out(refusal)

        names = await self.router.names_of(ids)
        return await asyncio.gather(*[make(self.ports[name]) for name in names])

    async def each(self, begin: Callable[[B], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """
        Yield what the port of each primary does, part by part, one after the other.

        It may be begun again: where it would write to what is being moved, it waits.

        Raises:
            StorageBusyError: If the move took longer than the timeout; what the other
                primaries have to do is done before.
        """
        busy: StorageBusyError | None = None
        for port in self.ports.values():
            try:
                async with aclosing(self._persistently(begin, port)) as parts:
                    async for part in parts:
                        yield part
            except StorageBusyError as error:
                busy = error
        if busy is not None:
            raise busy

    async def _persistently(
        self, begin: Callable[[B], AsyncGenerator[T]], port: B
    ) -> AsyncGenerator[T]:
        refused = Refusals(self.router.timeout)
        while True:
            try:
                async with aclosing(begin(port)) as parts:
                    async for part in parts:
                        yield part
            except StorageError as refusal:
                await refused.wait_out(refusal)
            else:
                return

    async def find(
        self, call: Callable[[B], Awaitable[T]], id_of: Callable[[T], str]
    ) -> T:
        """
        Find what a call returns on any primary, and make it where the shard of it is.

        Args:
            call: It only reads, or may be repeated.

            id_of: What decides the shard of what was found.

        Raises:
            NotFoundError: As the primaries do, if none has it.
        """
        while True:
            is_moving = await self.router.is_moving()
            results = await asyncio.gather(
                *[call(port) for port in self.ports.values()], return_exceptions=True
            )
            failures: list[BaseException] = []
            for name, result in zip(self.ports, results, strict=True):
                if isinstance(result, BaseException):
                    failures.append(result)
                    continue
                # A copy that is on its way may be older.
                if await self.router.home(id_of(result)) == name:
                    return result
            if len(failures) == len(results):
                # One that is out of reach may have it.
                for failure in failures:
                    if not isinstance(failure, NotFoundError):
                        raise failure
                # What was on its way may have been on neither when that was asked.
                if not is_moving and not await self.router.is_moving():
                    raise failures[0]
            await asyncio.sleep(PAUSE_SECONDS)


# The methods of a port over several primaries, made of those of a port of one. They
# take the same arguments; their type is that which the front has declared for them.


def on_shard(
    method: Callable[Concatenate[B, P], Awaitable[T]],
    id_of: Callable[P, str] | None = None,
    is_found: Callable[[T], object] = always,
) -> Any:
    """
    Make the method that is called where the shard is of what it is about.

    Args:
        method: That of a port of one primary.

        id_of: Takes the arguments, and returns what decides the shard: the first of
            them if there is none.

        is_found: As for :meth:`Router.run`.
    """

    async def call(self: Any, *arguments: P.args, **options: P.kwargs) -> T:
        first = cast("tuple[str, ...]", arguments)[0]
        place = first if id_of is None else id_of(*arguments, **options)
        made = _forwarded(method, *arguments, **options)
        shards: Shards[B] = self._shards
        return await shards.on(place, made, is_found)

    return call


def found_by(
    method: Callable[Concatenate[B, P], Awaitable[T]], id_of: Callable[[T], str]
) -> Any:
    """
    Make the method that finds what it is about on any primary.
    """

    async def call(self: Any, *arguments: P.args, **options: P.kwargs) -> T:
        shards: Shards[B] = self._shards
        return await shards.find(_forwarded(method, *arguments, **options), id_of)

    return call


def everywhere(
    method: Callable[Concatenate[B, P], Awaitable[T]],
    merge: Callable[..., T],
    ids_of: Callable[..., Iterable[str] | None] | None = None,
) -> Any:
    """
    Make the method that asks all primaries, or those that some ids are on.

    Args:
        method: That of a port of one primary.

        merge: Takes what they returned, and the arguments.

        ids_of: Takes the arguments, and returns the ids; all primaries for None.
    """

    async def call(self: Any, *arguments: P.args, **options: P.kwargs) -> T:
        shards: Shards[B] = self._shards
        ids = ids_of and ids_of(*arguments, **options)
        made = _forwarded(method, *arguments, **options)
        return merge(await shards.everywhere(made, ids), *arguments, **options)

    return call


def total(counts: Sequence[int], *_: object, **__: object) -> int:
    """
    Merge what several primaries have counted.
    """
    return sum(counts)


def _forwarded(
    method: Callable[Concatenate[B, P], Awaitable[T]],
    *arguments: P.args,
    **options: P.kwargs,
) -> Callable[[B], Awaitable[T]]:
    return lambda port: method(port, *arguments, **options)
