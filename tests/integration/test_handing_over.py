"""
Events that a process has committed itself, given to its followers without a reading.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from sqlalchemy import event as sa_event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool

from asm_async import Changes, Event, ExecutionResult, RetentionPolicy
from asm_async.fronts.following import READ_BATCH_SIZE
from asm_async.sql import SQLEventFeed, SQLMaintenance, SQLSessionStore, create_engine
from asm_async.sql.dialects.sqlite import feed as sqlite_feed
from asm_async.testing.event_feed.contract import Collecting, take
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.session import SessionStatus

NEVER_SECONDS = 3_600.0

READS_ALL = "asm_events.position > "


@pytest.fixture
async def engines(url: str) -> AsyncIterator[tuple[AsyncEngine, AsyncEngine]]:
    """
    Yield two engines that share a database and nothing else, as two processes do.
    """
    engines = create_engine(url), create_engine(url)
    yield engines
    for engine in engines:
        assert isinstance(engine.pool, QueuePool)
        assert engine.pool.checkedout() == 0
        await engine.dispose()


def readings_of(engine: AsyncEngine) -> list[str]:
    """
    Collect the parameters of the statements with which followers read.
    """
    found: list[str] = []

    @sa_event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(
        _conn: object, _cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        if "asm_events.sequence_number > " in statement or READS_ALL in statement:
            found.append(str(parameters))

    return found


async def test_what_this_process_commits_is_not_read_back(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    A follower that is up to date is handed appends of all kinds, as they are stored.
    """
    engine = engines[0]
    store, another = SQLSessionStore(engine), SQLSessionStore(engine)
    await store.save_session(make_session())
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_session("ses_1"))
    typed = Collecting(feed.follow_session("ses_1", types=["app.noted"]))
    await store.append_events(make_events(1))
    await follower.until(1)
    noted = make_event(id="evt_note", type="app.noted", data={"\ud800": [1.0, "\0"]})
    await store.append_event(noted)
    await typed.until(1)
    readings = readings_of(engine)

    made = [make_event(id="evt_item"), make_event(id="evt_run")]
    await store.append_events(make_events(3, first=2), expected_sequence=2)
    await another.append_events(make_events(3, first=4))
    await store.save_run(make_run(id="run_alone"))
    await asyncio.gather(
        *(store.append_event(make_event(id=f"evt_{n}")) for n in range(10, 30)),
        store.save_run(make_run()),
        store.commit(Changes(events=(made[0],), items=(make_item(),))),
        store.commit(Changes(events=(made[1],), runs=(make_run(id="run_2"),))),
        store.append_event(make_event(id="evt_more", type="app.noted")),
    )
    given = await follower.until(30)

    assert readings == []
    assert given == await store.get_events("ses_1")
    assert [event.id for event in await typed.until(2)] == ["evt_note", "evt_more"]
    for each in (follower, typed):
        await each.stop()
    for closing in (feed, store, another):
        await closing.aclose()


async def test_on_sqlite_the_feed_of_all_sessions_is_not_read_back(
    migrated_sqlite_url: str,
) -> None:
    """
    A group tells its positions; what else is written is read, and what is given again.
    """
    engine = create_engine(migrated_sqlite_url)
    store = SQLSessionStore(engine)
    for session_id in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=session_id))
    feed = SQLEventFeed(engine, poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_all())
    typed = Collecting(feed.follow_all(types=["app.noted"]))
    consumer = feed.consumer("one").batches(max_size=7)
    await store.append_events(make_events(1))
    await store.append_event(make_event(id="evt_note", type="app.noted"))
    await follower.until(2)
    await typed.until(1)
    await (await anext(consumer)).acknowledge()
    readings = readings_of(engine)

    await asyncio.gather(
        *(store.append_event(make_event(id=f"evt_{n}")) for n in range(10, 20)),
        *(
            store.append_event(make_event(id=f"evt_{n}", session_id="ses_2"))
            for n in range(10, 20)
        ),
        store.commit(
            Changes(events=(make_event(id="evt_item"),), items=(make_item(),))
        ),
        store.append_event(make_event(id="evt_more", type="app.noted")),
    )
    given = await follower.until(24)
    first = await anext(consumer)
    assert readings == []
    again = await anext(consumer)
    assert len(readings) == 1
    await store.append_events(make_events(1, first=2), expected_sequence=14)
    last = (await follower.until(25))[-1]

    assert again.events == first.events == tuple(event for event, _ in given[2:9])
    assert [event.id for event, _ in await typed.until(2)] == ["evt_note", "evt_more"]
    fresh = SQLEventFeed(engine)
    assert await take(fresh.follow_all(), 25) == [*given[:24], last]
    await consumer.aclose()
    for each in (follower, typed):
        await each.stop()
    for closing in (feed, fresh, store):
        await closing.aclose()
    await engine.dispose()


async def test_whoever_is_handed_an_event_has_it_alone(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    What the caller, or another follower, does to its objects is nobody else's.
    """
    store = SQLSessionStore(engines[0])
    await store.save_session(make_session())
    await store.append_event(make_event(id="evt_0"))
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    followers = [Collecting(feed.follow_session("ses_1")) for _ in range(2)]
    for follower in followers:
        await follower.until(1)

    mine = make_event(data={"list": [1]})
    stored = await store.append_event_with_sequence(mine)
    for given in (mine, stored):
        given.data["list"] = "changed"
    first = (await followers[0].until(2))[1]
    first.data["list"] = "changed"
    second = (await followers[1].until(2))[1]

    assert second.data == {"list": [1]}
    for follower in followers:
        await follower.stop()
    await feed.aclose()
    await store.aclose()


async def test_events_of_two_processes_come_once_and_in_order(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    However appends here and elsewhere alternate, each record equals the table.
    """
    chance = random.Random(6)
    stores = [SQLSessionStore(engine) for engine in (*engines, engines[0])]
    feed = SQLEventFeed(engines[0], poll_interval=0.05)
    ids = ["ses_1", "ses_2"]
    for session_id in ids:
        await stores[0].save_session(make_session(id=session_id))
    followers: dict[str, list[Collecting[Any]]] = {
        id_: [Collecting(feed.follow_session(id_)) for _ in range(3)] for id_ in ids
    }
    of_all = [Collecting(feed.follow_all()) for _ in range(3)]

    async def write(writer: int) -> None:
        for number in range(40):
            name = f"evt_{writer}_{number}"
            events = [
                make_event(id=f"{name}_{place}", session_id=chance.choice(ids))
                for place in range(chance.randrange(1, 4))
            ]
            store = stores[writer % 3]
            if chance.random() < 0.1:
                session = await store.get_session("ses_1")
                own = (make_event(id=name, session_id="ses_1", run_id="run_1"),)
                await store.flush(
                    ExecutionResult(session=session, run=make_run(), events=own)
                )
            await store.append_events(events)
            if chance.random() < 0.2:
                await store.append_events(events)

    await asyncio.gather(*map(write, range(6)))
    for session_id, some in followers.items():
        stored = await stores[0].get_events(session_id)
        for follower in some:
            assert await follower.until(len(stored)) == stored
            await follower.stop()
    count = sum(len(some[0].items) for some in followers.values())
    another = SQLEventFeed(engines[1], poll_interval=0.05)
    in_order = await take(another.follow_all(), count)
    for each in of_all:
        assert await each.until(count) == in_order
        await each.stop()
    await feed.aclose()
    await another.aclose()
    for store in stores:
        await store.aclose()


async def test_what_was_removed_makes_no_hole_to_wait_for(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    A session that was pruned, or deleted and made again, is followed on.
    """
    store = SQLSessionStore(engines[0])
    maintenance = SQLMaintenance(engines[0])
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    await store.save_session(make_session())
    await store.append_events(make_events(9))
    await maintenance.prune_session_events(
        "ses_1", RetentionPolicy(max_events_per_session=1)
    )
    await store.delete_session("ses_1")
    follower = Collecting(feed.follow_session("ses_1"))
    await store.save_session(make_session())

    given: list[Event] = []
    for number in range(1, 4):
        await store.append_events(make_events(1, first=20 + number))
        given = await follower.until(number)

    assert [event.sequence_number for event in given] == [10, 11, 12]
    await follower.stop()
    await feed.aclose()
    await store.aclose()


async def test_a_backlog_is_read_to_its_end_without_any_hint(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    Whoever has not read all there is does not wait to be handed more.
    """
    store = SQLSessionStore(engines[0])
    await store.save_session(make_session())
    await store.append_events(make_events(3 * READ_BATCH_SIZE))
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    of_one = Collecting(feed.follow_session("ses_1"))
    of_all = Collecting(feed.follow_all())

    given = await of_one.until(3 * READ_BATCH_SIZE)

    assert given == await store.get_events("ses_1")
    given_to_all = await of_all.until(3 * READ_BATCH_SIZE)
    assert [event for event, _ in given_to_all] == given
    for follower in (of_one, of_all):
        await follower.stop()
    await feed.aclose()
    await store.aclose()


async def test_an_end_that_is_committed_with_an_event_is_seen(
    engines: tuple[AsyncEngine, AsyncEngine],
) -> None:
    """
    Whoever follows until the session is over looks at it when it is saved, too.
    """
    store = SQLSessionStore(engines[0])
    session = await store.save_session(make_session())
    await store.append_event(make_event(id="evt_0"))
    feed = SQLEventFeed(engines[0], poll_interval=NEVER_SECONDS, listens=False)
    follower = Collecting(feed.follow_session("ses_1", until_over=True))
    await follower.until(1)

    await asyncio.gather(
        *(store.append_event(event) for event in make_events(3)),
        store.save_session(attrs.evolve(session, status=SessionStatus.COMPLETED)),
    )

    assert len(await follower.end()) == 4
    await feed.aclose()
    await store.aclose()


async def test_a_number_that_nobody_will_see_is_told_once(
    migrated_sqlite_url: str,
) -> None:
    """
    Whoever follows a session that was deleted does not read at each commit of others.
    """
    engines = [create_engine(migrated_sqlite_url) for _ in range(2)]
    store = SQLSessionStore(engines[0])
    for session_id in ("ses_1", "ses_2"):
        await store.save_session(make_session(id=session_id))
    await store.append_events(make_events(9))
    await store.delete_session("ses_1")
    feed = SQLEventFeed(engines[1], poll_interval=NEVER_SECONDS)
    readings = readings_of(engines[1])
    follower = Collecting(feed.follow_session("ses_1"))
    others = Collecting(feed.follow_session("ses_2"))
    for number in range(0, 300, 10):
        await store.append_events(
            make_events(10, first=100 + number, session_id="ses_2")
        )
        await others.until(number + 10)
    assert follower.items == []
    # Once when each begins, once when the watcher does, and once when it is told.
    assert sum("ses_1" in of for of in readings) <= 3
    for one in (follower, others):
        await one.stop()
    await feed.aclose()
    await store.aclose()
    for engine in engines:
        await engine.dispose()


async def test_the_watcher_looks_at_new_events_alone(
    migrated_sqlite_url: str,
) -> None:
    """
    However long the log is, what is new in it is found by position or by session.
    """
    engine = create_engine(migrated_sqlite_url)
    plans: list[str] = []
    async with engine.connect() as conn:
        for query, parameter in (
            (sqlite_feed._NEW_EVENTS, 1),
            (sqlite_feed._COUNTERS, '["ses_1"]'),
        ):
            explain = f"EXPLAIN QUERY PLAN {query}"
            plan = await conn.exec_driver_sql(explain, (parameter,))
            plans += [str(row[-1]) for row in plan if "asm_" in row[-1]]
    await engine.dispose()

    by_position, by_session = plans
    assert by_position == "SEARCH asm_events USING INTEGER PRIMARY KEY (rowid>?)"
    assert by_session.startswith("SEARCH asm_session_sequences USING")
    assert by_session.endswith("(session_id=?)")
