"""
What followers were given, laid beside what is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql.core import tables
from asm_async.sql.dialects import dialect_of
from tests.failover.followers import (
    Consumer,
    EffectiveConsumer,
    Follower,
    Given,
    SessionFollower,
)

__all__ = ["check_followers", "compare", "stored_events"]

_CATCH_UP_SECONDS = 60
_LOOK_SECONDS = 0.2


async def stored_events(engine: AsyncEngine) -> list[Given]:
    """
    Return all events in the order of the feed.
    """
    events = tables.events.c
    query = sa.select(events.session_id, events.sequence_number, events.id).order_by(
        *dialect_of(engine).feed.order
    )
    async with engine.connect() as conn:
        return [tuple(row) for row in await conn.execute(query)]


async def check_followers(followers: Collection[Follower], engine: AsyncEngine) -> None:
    """
    Assert that each was given what is stored: everything, once, and in order.

    A durable consumer may be given a batch again that it had not acknowledged; its
    effects, where they are stored with its checkpoint, stand once. Nobody may write any
    more.
    """
    stored = await stored_events(engine)
    for follower in followers:
        wanted = _wanted(follower, stored)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CATCH_UP_SECONDS):
                while len(await _given(follower, engine)) < len(wanted):  # noqa: ASYNC110 - tables set none
                    await asyncio.sleep(_LOOK_SECONDS)
        compare(follower.name, await _given(follower, engine), wanted)


def _wanted(follower: Follower, stored: Sequence[Given]) -> list[Given]:
    if isinstance(follower, SessionFollower):
        return [event for event in stored if event[0] == follower.session_id]
    return list(stored)


async def _given(follower: Follower, engine: AsyncEngine) -> Sequence[Given]:
    """
    Return what a follower was given, without what a consumer may be given again.
    """
    if isinstance(follower, EffectiveConsumer):
        return await follower.handled(engine)
    if isinstance(follower, Consumer):
        return list(dict.fromkeys(follower.record))
    return follower.record


def compare(name: str, given: Sequence[Given], wanted: Sequence[Given]) -> None:
    """
    Assert that they are equal, and name the first difference.
    """
    if list(given) == list(wanted):
        return
    missed = [event for event in wanted if event not in set(given)]
    doubled = len(given) - len(set(given))
    place = next(
        (n for n, (a, b) in enumerate(zip(given, wanted, strict=False)) if a != b),
        min(len(given), len(wanted)),
    )
    raise AssertionError(
        f"follower {name!r} was given {len(given)} events of {len(wanted)}: it missed"
        f" {len(missed)} {missed[:3]}, {doubled} came twice; the first that differs is"
        f" {[*given[place : place + 1]]}, not {[*wanted[place : place + 1]]}"
    )
