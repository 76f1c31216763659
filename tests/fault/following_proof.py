"""
Writers and followers in processes of their own, killed at random and started again.

``python -m tests.fault.following_proof URL`` runs the long form: eight writers, four
followers and 100,000 events. The database must have our tables and no sessions.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import Sequence

import attrs
import sqlalchemy as sa

from asm_async import open_store
from asm_async.sql import create_engine
from asm_async.sql.core import tables
from asm_async.sql.dialects import dialect_of
from asm_async.testing.factories import make_event, make_session
from tests.fault.following_processes import FollowingProcess, Given, running
from tests.fault.writing_processes import writing_processes

__all__ = ["Proof", "prove"]


@attrs.frozen(kw_only=True)
class Proof:
    """
    What was done, when each follower's record was found equal to the table.
    """

    events: int
    killed_writers: int
    killed_followers: int


async def prove(
    url: str, *, writers: int, followers: int, events: int, kills: int
) -> Proof:
    """
    Assert that each follower's record equals the table.

    Args:
        url: Of a database that has our tables, and no sessions.

        writers: How many processes write at a time.

        followers: How many follow: every other one all sessions, the others one each.

        events: How many events to write at least.

        kills: How many writers to kill meanwhile, and as many followers.
    """
    sessions = [f"ses_{number}" for number in range(6)]
    await _make_sessions(url, sessions)
    following = [
        FollowingProcess(url, sessions[number] if number % 2 else "-")
        for number in range(followers)
    ]
    async with running(following):
        await _write(url, sessions, writers, events, kills, following=following)
        table = await _table(url)
        for follower in following:
            await follower.has(len(_wanted(follower, table)))
        # Whatever came twice, or for no reason, comes before what is appended now.
        await _append_last(url, sessions)
        for follower in following:
            await follower.has(len(_wanted(follower, await _table(url))))
    table = await _table(url)
    for follower in following:
        assert follower.record == _wanted(follower, table), follower.session_id
    return Proof(
        events=len(table),
        killed_writers=kills + writers,
        killed_followers=sum(follower.kills for follower in following),
    )


async def _make_sessions(url: str, sessions: Sequence[str]) -> None:
    async with open_store(url) as store:
        for session_id in sessions:
            await store.save_session(make_session(id=session_id))


async def _append_last(url: str, sessions: Sequence[str]) -> None:
    async with open_store(url) as store:
        await store.append_events(
            [make_event(id="last", session_id=session_id) for session_id in sessions]
        )


async def _write(
    url: str,
    sessions: Sequence[str],
    writers: int,
    events: int,
    kills: int,
    *,
    following: Sequence[FollowingProcess],
) -> None:
    """
    Write with so many processes at a time, and kill one of each kind again and again.
    """
    async with writing_processes(url) as processes:
        names = [f"writer-{number}" for number in range(writers)]
        for name in names:
            processes.order(name, tasks=8, calls=0, sessions=sessions)
        processes.go()
        for number in range(kills):
            name = random.choice(names)
            await processes.hear(max(1, events // kills // writers), of=name)
            processes.kill(name)
            random.choice(following).kill()
            names[names.index(name)] = f"successor-{number}"
            processes.order(f"successor-{number}", tasks=8, calls=0, sessions=sessions)
        while processes.stored < events:
            await processes.hear(1, of=random.choice(names))
        for name in names:
            await processes.hear(1, of=name)
            processes.kill(name)
        await processes.finish()


async def _table(url: str) -> list[Given]:
    """
    Read all events in the order of the feed.
    """
    engine = create_engine(url)
    events = tables.events.c
    query = sa.select(events.session_id, events.sequence_number, events.id).order_by(
        *dialect_of(engine).feed.order
    )
    async with engine.connect() as conn:
        rows = (await conn.execute(query)).all()
    await engine.dispose()
    return [(session_id, number, event_id) for session_id, number, event_id in rows]


def _wanted(follower: FollowingProcess, table: Sequence[Given]) -> list[Given]:
    """
    Return what the follower must have been given.
    """
    everything = follower.session_id == "-"
    return [row for row in table if everything or row[0] == follower.session_id]


def main() -> None:
    """
    Run the long form.
    """
    parser = argparse.ArgumentParser(prog="following_proof", description=__doc__)
    parser.add_argument("url", help="of a database that has our tables")
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--followers", type=int, default=4)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=60)
    options = vars(parser.parse_args())
    start = time.monotonic()
    proof = asyncio.run(prove(**options))
    print(f"{proof} in {time.monotonic() - start:.0f} s")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
