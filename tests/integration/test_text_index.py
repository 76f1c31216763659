"""
What of the search for text is particular to the databases.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async import RetentionPolicy
from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.text_filters import IndexedEvent
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.sql import SQLPorts, SQLTextIndex, create_engine, migrations
from asm_async.sql.core.tables import consumers
from asm_async.sql.dialects.postgresql import text_index as postgresql
from asm_async.sql.dialects.sqlite import text_index as sqlite_text_index
from asm_async.sql.texts import searching
from asm_async.sql.texts.indexing import index_events
from asm_async.testing.text_search.contract import pages_of, say
from asm_async.values.maintenance import HealthIssueKind
from asm_async.values.search_terms import terms_of
from asm_async.values.text_match import TextMatch

_WORDS = ["gate", "seat", "flight", "delay", "voucher", "hotel"]
_QUERIES = ["gate", "gate seat", "gat*", "*ight*", "gate -seat", '"gate seat"']
_FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"session_id": "ses_1"},
    {"tenant_id": "acme"},
    {"roles": "user"},
    {"types": "message_sent"},
)


def places(matches: list[TextMatch]) -> list[tuple[str, int]]:
    """
    Return where the matches stand, in their order.
    """
    return [
        (each.session.id, each.event.sequence_number or 0 if each.event else 0)
        for each in matches
    ]


async def names_in(engine: AsyncEngine) -> set[str]:
    """
    Return the names of all that the database has of ours.
    """
    query = (
        "SELECT name FROM sqlite_master"
        if engine.dialect.name == "sqlite"
        else "SELECT relname::text FROM pg_class UNION SELECT proname::text"
        " FROM pg_proc UNION SELECT tgname::text FROM pg_trigger"
    )
    async with engine.connect() as conn:
        names = (await conn.exec_driver_sql(query)).scalars()
        return {name for name in names if "asm" in name}


async def begin_block(engine: AsyncEngine, block: int) -> None:
    """
    Have PostgreSQL, which looks at blocks of rows, begin another one.
    """
    if engine.dialect.name == "postgresql":
        async with engine.begin() as conn:
            restart = "ALTER TABLE asm_text_rows ALTER COLUMN number RESTART WITH"
            await conn.exec_driver_sql(f"{restart} {block * postgresql.BLOCK_SIZE}")


@pytest.mark.parametrize("order_by", ["relevance", "time"])
async def test_each_way_to_a_page_finds_the_same(
    url: str, order_by: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What is sorted, gone through in order, or looked up by session, is one result.
    """
    chance = random.Random(4)
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    for number in range(3):
        texts = [" ".join(chance.choices(_WORDS, k=4)) for _ in range(20)]
        owner = {"tenant_id": "acme" if number else "other"}
        await say(ports.store, *texts, session_id=f"ses_{number}", **owner)
        await index.update()
        await begin_block(engine, number + 1)
    await ports.store.retract_events("ses_1", first=4, last=9)
    await index.update()

    async def ask(most: int) -> list[list[tuple[str, int]]]:
        monkeypatch.setattr(searching, "MAX_SORTED", most)
        found = [
            places(await pages_of(index, query, limit=7, order_by=order_by, **filters))
            for query in _QUERIES
            for filters in _FILTERS
        ]
        # By relevance, the best of the latest come first.
        return [*map(sorted, found)] if order_by == "relevance" else found

    whole = await ask(10_000)

    assert whole == await ask(1) == await ask(25)
    assert sum(map(len, whole)) > len(_QUERIES) * len(_FILTERS)
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_of_very_many_texts_the_latest_are_ranked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The best of them come first; the earlier ones follow by time, without a rank.
    """
    monkeypatch.setattr(searching, "MAX_SORTED", 20)
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    await index.update()
    for block in range(2):
        texts = [f"gate{' seat' * (number % 3)}" for number in range(20)]
        await say(ports.store, *texts)
        await index.update()
        await begin_block(engine, block + 1)

    for limit in (3, 1_000):
        found = await pages_of(index, "gate", limit=limit)
        latest, earlier = found[:20], found[20:]
        ranks = [each.rank for each in latest]
        assert sorted(number for _, number in places(latest)) == [*range(21, 41)]
        assert ranks == sorted(ranks, reverse=True)
        assert min(ranks) > 0
        assert [number for _, number in places(earlier)] == [*range(20, 0, -1)]
        assert {each.rank for each in earlier} == {0.0}
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_what_is_removed_while_it_is_indexed_leaves_no_row(url: str) -> None:
    """
    Who prunes waits for the indexer, and then removes what that has indexed.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    await index.update()
    await say(ports.store, *["word"] * 20)
    consumer = ports.feed.consumer(CONSUMER_NAME)
    policy = RetentionPolicy.new(max_events_per_session=5)
    async with aclosing(consumer.batches()) as batches:
        batch = await anext(batches)
        indexed = [
            IndexedEvent(event=event, role=None, terms=terms_of("word"))
            for event in batch.events
        ]
        other = SQLPorts(create_engine(url))
        async with batch.transaction() as conn:
            await index_events(conn, indexed, 30.0)
            pruning = asyncio.create_task(
                other.maintenance.prune_session_events("ses_1", policy)
            )
            done, _ = await asyncio.wait({pruning}, timeout=0.5)
            assert not done
        await pruning
        await other.aclose()
        await other.engine.dispose()

    assert [number for _, number in places(await pages_of(index, "word"))] != []
    async with engine.connect() as conn:
        rows = await conn.scalar(sa.text("SELECT count(*) FROM asm_text_rows"))
    assert rows == 5
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_what_was_removed_before_it_is_indexed_gets_no_row(url: str) -> None:
    """
    An indexer that has read events indexes those that are there when it writes.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    await index.update()
    events = await say(ports.store, *["word"] * 20)
    policy = RetentionPolicy.new(max_events_per_session=5)
    await ports.maintenance.prune_session_events("ses_1", policy)
    indexed = [
        IndexedEvent(event=event, role=None, terms=terms_of("word")) for event in events
    ]
    async with engine.begin() as conn:
        await index_events(conn, indexed, 30.0)
        rows = await conn.scalar(sa.text("SELECT count(*) FROM asm_text_rows"))
    assert rows == 5
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_drop_leaves_nothing_of_the_index(url: str) -> None:
    """
    Tables, triggers and functions go, and so does the consumer; events stay.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    before = await names_in(engine)
    await say(ports.store, "word")
    assert await index.update() == 1
    assert await names_in(engine) > before

    await index.drop()

    assert await names_in(engine) == before
    assert await ports.feed.list_consumers() == []
    assert not (await index.search_text("word")).items
    assert await index.update() == 1
    assert len(await index.search_text("word")) == 1
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_a_downgrade_takes_the_index_along(url: str) -> None:
    """
    What is migrated anew begins without an index, and can have one.
    """
    engine = create_engine(url)
    index = SQLTextIndex(engine)
    await index.update()
    await index.aclose()

    await migrations.downgrade(engine, "base")
    assert await names_in(engine) == set()

    await migrations.upgrade(engine)
    index = SQLTextIndex(engine)
    assert await index.update() == 0
    await index.aclose()
    await engine.dispose()


async def test_health_knows_an_index_that_nothing_updates(url: str) -> None:
    """
    It is an issue after a day, while events are not indexed.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)

    async def issues() -> list[str]:
        found = await ports.maintenance.health_check()
        stale = HealthIssueKind.STALE_TEXT_INDEX
        return [each.message for each in found if each.kind is stale]

    async def updated(ago: timedelta) -> None:
        is_its = consumers.c.name == CONSUMER_NAME
        then = datetime.now(UTC) - ago
        async with engine.begin() as conn:
            await conn.execute(
                sa.update(consumers).where(is_its).values(updated_at=then)
            )

    await say(ports.store, "word")
    assert await issues() == []
    await index.update()
    await updated(timedelta(days=30))
    assert await issues() == []
    await say(ports.store, "word")
    [message] = await issues()
    assert "asm search index" in message
    await updated(timedelta(hours=23))
    assert await issues() == []
    await updated(timedelta(hours=25))
    assert len(await issues()) == 1
    await index.drop()
    assert await issues() == []
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_a_hosts_alembic_leaves_the_tables_of_the_index_alone(url: str) -> None:
    """
    ``include_name`` knows them all, those of FTS5 among them.
    """
    engine = create_engine(url)
    index = SQLTextIndex(engine)
    await index.update()

    def tables(conn: sa.Connection) -> list[str]:
        return sa.inspect(conn).get_table_names()

    async with engine.connect() as conn:
        names = await conn.run_sync(tables)
    assert any("text" in name for name in names)
    assert not [n for n in names if migrations.include_name(n, "table", None)]
    await index.aclose()
    await engine.dispose()


async def test_without_fts5_an_update_says_what_is_missing(
    migrated_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Nothing is made, and searching finds nothing.
    """
    monkeypatch.setattr(sqlite_text_index, "_HAS_FTS", "SELECT 0")
    engine = create_engine(migrated_sqlite_url)
    index = SQLTextIndex(engine)
    before = await names_in(engine)
    with pytest.raises(UnsupportedOperationError, match="without FTS5"):
        await index.update()
    assert await names_in(engine) == before
    assert not (await index.search_text("word")).items
    await index.aclose()
    await engine.dispose()


@pytest.mark.postgres
async def test_trigrams_are_used_where_they_are_installed(
    migrated_postgres_url: str,
) -> None:
    """
    With ``pg_trgm`` parts of words are found by an index; without it by looking.
    """
    engine = create_engine(migrated_postgres_url)
    async with engine.begin() as conn:
        await conn.execute(sa.text("CREATE EXTENSION pg_trgm"))
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    await say(ports.store, "a flight", "a seat")
    await index.update()
    assert "ix_asm_text_rows_parts" in await names_in(engine)
    assert [number for _, number in places(await pages_of(index, "*igh*"))] == [1]
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_a_long_text_is_found_by_its_last_words(url: str) -> None:
    """
    Of a text that has more words than a tsvector can place, each phrase is found.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    text = " ".join(f"x{number}" for number in range(14_000)) + " the very end"
    rare = "".join(map(chr, range(0x4E00, 0x4E00 + 15_000))) * 6
    await say(ports.store, text, rare)
    await index.update()
    for query in ('"x13999 the very end"', "x7000 end", rare[20_000:20_004]):
        assert len(await index.search_text(query)) == 1
    assert not (await index.search_text('"end very"')).items
    await index.aclose()
    await ports.aclose()
    await engine.dispose()
