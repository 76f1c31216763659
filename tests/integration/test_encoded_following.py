"""
Following for those who pass events on: their JSON comes as the text that is stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.sql import SQLEventFeed, SQLSessionStore, create_engine
from asm_async.sql.core.tables import events
from asm_async.sql.feed import queries
from asm_async.sql.feed.context import FeedContext
from asm_async.testing.event_feed.contract import Collecting
from asm_async.testing.factories import make_event, make_session
from asm_async.values.event import Event
from asm_async.values.json_values import EncodedJSON, decoded

Engines: TypeAlias = tuple[AsyncEngine, AsyncEngine]
Follow: TypeAlias = Callable[[SQLEventFeed], AsyncGenerator[Event]]

EVENTS = [
    make_event(id=f"evt_{n}", data={"content": [n, {"é": None}]}, metadata={"n": [n]})
    for n in range(6)
]


@pytest.fixture
async def engines(url: str) -> AsyncIterator[Engines]:
    """
    Yield two engines that share a database and nothing else, as two processes do.
    """
    one, other = create_engine(url), create_engine(url)
    yield one, other
    await one.dispose()
    await other.dispose()


async def events_of_feed(
    feed: SQLEventFeed, user_id: str | None
) -> AsyncGenerator[Event]:
    """
    Follow the feed, without its checkpoints.
    """
    async with aclosing(feed.follow_all(user_id=user_id)) as following:
        async for event, _ in following:
            yield event


FOLLOWS: dict[str, Follow] = {
    "session": lambda feed: feed.follow_session("ses_1"),
    "session_of_owner": lambda feed: feed.follow_session("ses_1", user_id="user_1"),
    "feed": lambda feed: events_of_feed(feed, None),
    "feed_of_owner": lambda feed: events_of_feed(feed, "user_1"),
}


@pytest.mark.parametrize("is_same_engine", [True, False])
@pytest.mark.parametrize("name", FOLLOWS)
async def test_events_are_followed_as_text(
    engines: Engines, name: str, *, is_same_engine: bool
) -> None:
    """
    Those of this process and of another, the ones that were there and those to come.
    """
    store = SQLSessionStore(engines[0])
    feed = SQLEventFeed(engines[0 if is_same_engine else 1])
    await store.save_session(make_session(user_id="user_1"))
    for event in EVENTS[:3]:
        await store.append_event(event)
    collecting = Collecting(FOLLOWS[name](feed.undecoded()))
    for count, event in enumerate(EVENTS[3:], 4):
        # One by one: each is read behind the one before it, which bears witness.
        await collecting.until(count - 1)
        await store.append_event(event)
    followed = await collecting.until(len(EVENTS))
    await collecting.stop()

    texts: list[Any] = [
        text for event in followed for text in (event.data, event.metadata)
    ]
    assert {type(text) for text in texts} == {EncodedJSON}
    assert [
        event.with_json(decoded(event.data), decoded(event.metadata))
        for event in followed
    ] == await store.get_events("ses_1")
    await feed.aclose()
    await store.aclose()


@pytest.mark.parametrize("is_decoded", [True, False])
async def test_the_event_behind_which_is_read_comes_without_its_json(
    engines: Engines, *, is_decoded: bool
) -> None:
    """
    Nothing is read twice that is large, neither by a session's reader nor a feed's.
    """
    engine, _ = engines
    store = SQLSessionStore(engine)
    await store.save_session(make_session())
    for event in EVENTS:
        await store.append_event(event)
    context = FeedContext(engine, timeout=5, poll_interval=1, listens=False)
    session = queries.events_behind(
        SessionFeedFilter(session_id="ses_1"), is_decoded=is_decoded
    )
    feed = queries.feed_from(context.feed, FeedFilter(), is_decoded=is_decoded)
    async with engine.connect() as conn:
        newest = queries.newest_place(context.feed)
        place = tuple((await conn.execute(newest)).one()[:2])
        witness = {"number": len(EVENTS) - 1, "witness_number": len(EVENTS), "most": 9}
        of_session = (await conn.execute(session, witness)).all()
        parameters = {"most": 9, **context.feed.parameters(place)}
        of_feed = (await conn.execute(feed, parameters)).all()

    data, metadata = map(events.c.keys().index, ("data", "metadata"))
    assert [(row[0], row[data], row[metadata]) for row in (*of_session, *of_feed)] == [
        ("evt_5", None, None)
    ] * 2
    await store.aclose()
