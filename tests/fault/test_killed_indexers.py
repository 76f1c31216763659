"""
Processes that index texts and are killed, beside those who write and remove.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import sqlalchemy as sa

import asm_async
from asm_async import RetentionPolicy
from asm_async.ports.query_api import QueryAPI
from asm_async.sql import SQLPorts, SQLTextIndex, create_engine
from asm_async.testing.factories import make_event, make_session
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.search_terms import terms_of
from asm_async.values.text_query import indexed_text, parse_query

_PROGRAM = Path(__file__).with_name("indexing_process.py")
_KILLS = 3
_WORDS = [f"{one}{other}" for one in ("fly", "seat", "gate") for other in range(8)]
_QUERIES = [*_WORDS, "fly*", "*eat*", "gate1 -seat2", '"fly1 seat1"', "title"]


async def indexing(url: str) -> Process:
    """
    Start a process that indexes, and wait until it does.
    """
    path = str(Path(asm_async.__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _PROGRAM, url),
        env={**os.environ, "PYTHONPATH": path},
        stdout=PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"following\n"
    return process


async def kill(process: Process) -> None:
    """
    Kill it as ``kill -9`` does.
    """
    os.kill(process.pid, signal.SIGKILL)
    await process.communicate()
    assert process.returncode == -signal.SIGKILL


async def end_lease(ports: SQLPorts) -> None:
    """
    Do what time would: a process that was killed holds its lease until it ends.
    """
    async with ports.engine.begin() as conn:
        await conn.execute(
            sa.text("UPDATE asm_consumers SET holder = NULL, leased_until = NULL")
        )


async def write_and_remove(ports: SQLPorts, chance: random.Random, turn: int) -> None:
    """
    Append to sessions, new and old, and hide, prune, delete and erase some events.
    """
    number = 0
    for name in range(4):
        session_id = f"ses_{turn}_{name}"
        owner = {"user_id": f"user_{name}", "metadata": {"title": f"title {name}"}}
        await ports.store.save_session(make_session(id=session_id, **owner))
        for _ in range(12):
            number += 1
            content = " ".join(chance.choices(_WORDS, k=6))
            await ports.store.append_event(
                make_event(
                    id=f"evt_{turn}_{number}",
                    session_id=session_id,
                    data={"content": content},
                )
            )
    await ports.store.retract_events(f"ses_{turn}_0", first=3, last=6)
    policy = RetentionPolicy.new(max_events_per_session=8)
    await ports.maintenance.prune_session_events(f"ses_{turn}_1", policy)
    await ports.maintenance.soft_delete_session(f"ses_{turn}_2")
    if turn % 2:
        await ports.store.delete_session(f"ses_{turn}_2")
    await ports.maintenance.erase(user_id="user_3")


async def visible_texts(ports: SQLPorts) -> dict[tuple[str, int], str]:
    """
    Read all that a reader of each session can see, as it is compared.
    """
    texts: dict[tuple[str, int], str] = {}
    for session in await ports.store.list_sessions():
        texts[session.id, 0] = str(session.metadata.get("title", ""))
        for event in await ports.store.get_events(session.id, visible_only=True):
            number = event.sequence_number or 0
            texts[session.id, number] = str(event.data.get("content", ""))
    return {place: indexed_text(terms_of(text)) for place, text in texts.items()}


async def assert_same(ports: SQLPorts, index: SQLTextIndex) -> None:
    """
    Compare what the index finds with a look through all texts.
    """
    texts = await visible_texts(ports)
    for query in _QUERIES:
        parsed = parse_query(query)
        expected = {place for place, text in texts.items() if parsed.matches(text)}
        assert await found(index, query) == expected, query


async def found(index: SQLTextIndex, query: str) -> set[tuple[str, int]]:
    """
    Ask the index.
    """
    page = await index.search_text(query, limit=1_000)
    assert page.cursor is None
    return {
        (match.session.id, match.event.sequence_number if match.event else 0)
        for match in page
    }


async def count_rows(query_api: QueryAPI, index: SQLTextIndex) -> tuple[int, int]:
    """
    Count the events that have text, and the rows of events in the index.
    """
    events = await query_api.count_events()
    events -= await query_api.count_events(types=EVENTS_RETRACTED)
    async with index.engine.connect() as conn:
        query = sa.text("SELECT count(*) FROM asm_text_rows WHERE sequence_number > 0")
        return events, int((await conn.execute(query)).scalar_one())


async def test_killed_indexers_leave_no_difference_to_what_is_stored(url: str) -> None:
    """
    Killed at any moment while sessions are written, pruned, deleted and erased.

    Then an update makes the index what a search of all that is stored finds, and no row
    of what was removed is left.
    """
    chance = random.Random(url)
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    await index.update()
    for turn in range(_KILLS):
        process = await indexing(url)
        writing = asyncio.create_task(write_and_remove(ports, chance, turn))
        await asyncio.wait({writing}, timeout=chance.random())
        await kill(process)
        await writing
        await end_lease(ports)

    await index.update()

    await assert_same(ports, index)
    stored, rows = await count_rows(ports.query, index)
    assert rows == stored > 0
    await index.aclose()
    await ports.aclose()
    await engine.dispose()


async def test_two_indexers_share_the_work(url: str) -> None:
    """
    One at a time indexes; when it is killed, the other goes on behind it.
    """
    engine = create_engine(url)
    ports, index = SQLPorts(engine), SQLTextIndex(engine)
    first, second = await indexing(url), await indexing(url)
    await write_and_remove(ports, random.Random(1), 0)
    await kill(first)
    await write_and_remove(ports, random.Random(2), 1)
    await end_lease(ports)
    await index.update()
    await kill(second)

    await assert_same(ports, index)
    stored, rows = await count_rows(ports.query, index)
    assert rows == stored > 0
    await index.aclose()
    await ports.aclose()
    await engine.dispose()
