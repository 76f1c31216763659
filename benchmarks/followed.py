"""
Appending while somebody in the same process follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from asm_async.sql import SQLEventFeed
from benchmarks.contenders import Store, session_name
from benchmarks.measure import Sample

__all__ = ["append_followed"]


async def append_followed(
    append: Callable[..., Awaitable[Sample]],
    contender: Store,
    agents: Sequence[int],
    seconds: float,
    sessions: int,
) -> Sample:
    """
    Append beside followers, all of whom have been given what was appended before.

    Args:
        append: The work that is done.

        contender: The store.

        agents: Those who append.

        seconds: For how long.

        sessions:
            How many of the agents' sessions have a follower; 0 is one follower of all.
    """
    feed = SQLEventFeed(contender.store.engine)
    async with _followers(await _open_streams(contender, feed, agents[:sessions])):
        await append(contender, agents, seconds / 4)
        sample = await append(contender, agents, seconds)
    await feed.aclose()
    return sample


async def _open_streams(
    contender: Store, feed: SQLEventFeed, agents: Sequence[int]
) -> list[AsyncGenerator[Any]]:
    if not agents:
        return [feed.follow_all(checkpoint=await feed.get_latest_checkpoint())]
    streams: list[AsyncGenerator[Any]] = []
    for agent in agents:
        name = session_name(agent)
        latest = await contender.store.get_latest_sequence(name)
        streams.append(feed.follow_session(name, after=latest))
    return streams


@asynccontextmanager
async def _followers(streams: Sequence[AsyncGenerator[Any]]) -> AsyncGenerator[None]:
    async def follow(following: AsyncGenerator[Any]) -> None:
        async with aclosing(following):
            async for _ in following:
                pass

    tasks = [asyncio.create_task(follow(following)) for following in streams]
    yield
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            raise ended
