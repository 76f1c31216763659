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
from asm_async.sharding.router import LEASE_SECONDS, PAUSE_SECONDS, Refusals, Router

B = TypeVar("B")
P = ParamSpec("P")
T = TypeVar("T")


def always(_: object) -> bool:
    """
    Return that a result stands, since the call has written or says what is not there.
    """
    return True


def never(_: object) -> bool:
    """
    Return that a result stands only if the shard was there until the end of the call.
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
        is_final: Callable[[T], object] = always,
    ) -> T:
        """
        Make a call of the port where an id's shard is.
        """
        return await self.router.run(id, lambda name: call(self.ports[name]), is_final)

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
        while True:
            results = await asyncio.gather(*[make(self.ports[name]) for name in names])
            asked, names = names, await self.router.names_of(ids)
            if names == asked:
                return results

    async def each(self, begin: Callable[[B], AsyncGenerator[T]]) -> AsyncGenerator[T]:
        """
        Yield what the port of each primary does, part by part, one after the other.

        It may be begun again: where it would write to what is being moved, it waits.

        Raises:
            StorageBusyError: If the move took longer than the timeout; what the other
                primaries have to do is done before.
        """
        self.router.check_loop()
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
        self.router.check_loop()
        # Asked once more if none has it: what was on its way may have been on neither.
        was_moving = True
        while True:
            failures = list[BaseException]()
            async with aclosing(self._answers(call)) as answers:
                async for name, result in answers:
                    if isinstance(result, BaseException):
                        failures.append(result)
                    # A copy that is on its way may be older.
                    elif await self.router.home(id_of(result)) == name:
                        return result
            if len(failures) == len(self.ports):
                # One that is out of reach may have it.
                for failure in failures:
                    if not isinstance(failure, NotFoundError):
                        raise failure
                is_moving = await self.router.is_moving()
                if not (was_moving or is_moving):
                    raise failures[0]
                was_moving = is_moving
            await asyncio.sleep(PAUSE_SECONDS)

    async def _answers(
        self, call: Callable[[B], Awaitable[T]]
    ) -> AsyncGenerator[tuple[str, T | BaseException]]:
        """
        Yield what the primaries answer, as they do: one may be out of reach.
        """
        names = {
            asyncio.ensure_future(call(port)): name for name, port in self.ports.items()
        }
        try:
            while names:
                done, _ = await asyncio.wait(names, return_when="FIRST_COMPLETED")
                for each in done:
                    name = names.pop(each)
                    yield name, each.exception() or each.result()
        except GeneratorExit:
            # Who is only slower than the first is not to lose a connection for it.
            if names:
                await asyncio.wait(names, timeout=LEASE_SECONDS)
            raise
        finally:
            for each in names:
                each.cancel()
            await asyncio.gather(*names, return_exceptions=True)


# The methods of a port over several primaries, made of those of a port of one. They
# take the same arguments; their type is that which the front has declared for them.


def on_shard(
    method: Callable[Concatenate[B, P], Awaitable[T]],
    id_of: Callable[P, str] | None = None,
    is_final: Callable[[T], object] = always,
) -> Any:
    """
    Make the method that is called where the shard is of what it is about.

    Args:
        method: That of a port of one primary.

        id_of: Takes the arguments, and returns what decides the shard: the first of
            them if there is none.

        is_final: As for :meth:`Router.run`.
    """

    async def call(self: Any, *arguments: P.args, **options: P.kwargs) -> T:
        first = cast("tuple[str, ...]", arguments)[0]
        place = first if id_of is None else id_of(*arguments, **options)
        made = _forwarded(method, *arguments, **options)
        shards: Shards[B] = self._shards
        return await shards.on(place, made, is_final)

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
