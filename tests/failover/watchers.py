"""
Followers of a primary that is about to lose what they are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from asm_async import Event
from asm_async.errors import HistoryLostError
from tests.failover.cluster import Cluster
from tests.failover.followers import (
    FeedFollower,
    Given,
    SessionFollower,
    given_of,
    open_feed,
)

__all__ = ["Watchers", "watching"]

_FEED_SECONDS = 60.0
_NOTICE_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Watchers:
    """
    Followers under way, each of which must notice what is lost.

    Args:
        followers: Which ones; they are begun at once.
    """

    def __init__(self, followers: Sequence[FeedFollower | SessionFollower]) -> None:
        self.followers: Sequence[FeedFollower | SessionFollower] = followers
        self._tasks = [asyncio.ensure_future(each.run()) for each in followers]

    async def are_given(self, events: Collection[Given]) -> None:
        """
        Wait until each was given all of these that it follows.
        """
        for follower in self.followers:
            wanted = {
                event
                for event in events
                if isinstance(follower, FeedFollower) or event[0] == follower.session_id
            }
            async with asyncio.timeout(_NOTICE_SECONDS):
                while not wanted <= set(follower.record):  # noqa: ASYNC110 - a poll will do
                    await asyncio.sleep(_POLL_SECONDS)

    def counts(self) -> list[int]:
        """
        Return how many events each was given.
        """
        return [len(follower.record) for follower in self.followers]

    async def have_noticed(self) -> None:
        """
        Wait until each of them has been told that events were lost.
        """
        _, silent = await asyncio.wait(self._tasks, timeout=_NOTICE_SECONDS)
        for follower, task in zip(self.followers, self._tasks, strict=True):
            assert task not in silent, f"{follower.name} has not noticed"
            assert isinstance(task.exception(), HistoryLostError), task.exception()

    async def check(
        self, stored: Sequence[Given], lost: Collection[Given], safe: Sequence[int]
    ) -> int:
        """
        Assert that nobody resumes within what was lost, and that all others can.

        Args:
            stored: What there is now, in the order of the feed.

            lost: What was acknowledged, and is not stored.

            safe: How many events of each were stored everywhere.

        Returns:
            How many places were tried, and refused.
        """
        refused = 0
        for follower, count in zip(self.followers, safe, strict=True):
            ghosts = [n for n, given in enumerate(follower.record) if given in lost]
            behind = set(follower.record[ghosts[0] :])
            assert behind.isdisjoint(stored), f"{follower.name} has skipped events"
            for number in {ghosts[0], ghosts[len(ghosts) // 2], ghosts[-1]}:
                await _expect_refusal(follower, number)
                refused += 1
            await _expect_rest(follower, count - 1, stored)
        return refused

    async def aclose(self) -> None:
        """
        End those that still follow.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


async def _expect_refusal(
    follower: FeedFollower | SessionFollower, number: int
) -> None:
    """
    Assert that a follower that resumes behind what it was given then is told.
    """
    try:
        found = await _resumed(follower, number, 1)
    except HistoryLostError:
        return
    raise AssertionError(f"{follower.name} resumed at {number}, and was given {found}")


async def _expect_rest(
    follower: FeedFollower | SessionFollower, number: int, stored: Sequence[Given]
) -> None:
    """
    Assert that a follower that resumes before the loss is given the rest there is.
    """
    wanted = [
        given
        for given in stored
        if isinstance(follower, FeedFollower) or given[0] == follower.session_id
    ]
    wanted = wanted[wanted.index(follower.record[number]) + 1 :]
    assert await _resumed(follower, number, len(wanted)) == wanted


async def _resumed(
    follower: FeedFollower | SessionFollower, number: int, count: int
) -> list[Given]:
    found: list[Given] = []
    feed = follower.feed
    following: AsyncGenerator[Event | tuple[Event, str]]
    if isinstance(follower, FeedFollower):
        following = feed.follow_all(checkpoint=follower.places[number])
    else:
        following = feed.follow_session(
            follower.session_id, after=follower.places[number]
        )
    async with asyncio.timeout(_NOTICE_SECONDS), aclosing(following) as events:
        async for event in events:
            found.append(given_of(event[0] if isinstance(event, tuple) else event))
            if len(found) == count:
                break
    return found


@asynccontextmanager
async def watching(
    cluster: Cluster, session_ids: Collection[str]
) -> AsyncGenerator[Watchers]:
    """
    Have followers of the feed and of each session follow by both kinds of URL.
    """
    async with AsyncExitStack() as stack:
        followers: list[FeedFollower | SessionFollower] = []
        for url in (cluster.proxied_url, cluster.multi_host_url):
            feed = await stack.enter_async_context(
                open_feed(url, timeout=_FEED_SECONDS)
            )
            latest = await feed.get_latest_checkpoint()
            followers.append(FeedFollower("all", feed, latest))
            followers += [SessionFollower(id_, feed, id_) for id_ in session_ids]
        watchers = Watchers(followers)
        try:
            yield watchers
        finally:
            await watchers.aclose()
