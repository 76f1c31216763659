"""
The bytes of an SQLite file, or of its log, are not what SQLite wrote.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

from asm_async.errors import ASMError, StorageError, ValidationError
from asm_async.sql import SQLMaintenance, SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.event import Event
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.sqlite_ends import new_database, url_of

__all__ = ["CAMPAIGN"]

Work: TypeAlias = Callable[[], Awaitable[object]]

_LONG_SECONDS = 60.0
_ENDINGS = ("", "-wal")


async def run(setting: Setting) -> Tally:
    """
    Damage databases, open or not: errors of ours, no hang, and a backup is taken up.
    """
    sound = setting.directory / "sound" / "asm.sqlite3"
    events = await _fill(await new_database(sound), sound)
    outcomes: Counter[str] = Counter()
    faults = 0
    for faults_before in setting.each_fault():
        place = setting.directory / f"fault-{faults_before}"
        place.mkdir()
        await _damage(sound, place / sound.name, events, setting.random, outcomes)
        shutil.rmtree(place)
        faults += 1
    return Tally(
        faults=faults,
        acknowledged=outcomes["ok"],
        refused=outcomes["failed"],
        unknown=outcomes["unknown"],
    )


async def _fill(url: str, path: Path) -> list[Event]:
    """
    Store some hundred rows, half of which are in the log alone, and give the events.
    """
    copies = [path.with_name(f"copy{ending}") for ending in _ENDINGS]
    engine = create_engine(url)
    store = SQLSessionStore(engine)
    for number in range(20):
        session = make_session(id=f"ses_{number}", tags=["some", "tags"])
        await store.save_session(session)
        await store.save_run(make_run(id=f"run_{number}", session_id=session.id))
    await store.append_events(make_events(200, data={"content": "x" * 100}))
    async with engine.connect() as conn:
        await conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    await store.append_events(make_events(200, first=201, data={"content": "y" * 100}))
    events = await store.get_events("ses_1")
    # Whoever closes it last removes the log.
    for ending, copy in zip(_ENDINGS, copies, strict=True):
        shutil.copy(f"{path}{ending}", copy)
    await engine.dispose()
    for ending, copy in zip(_ENDINGS, copies, strict=True):
        copy.replace(f"{path}{ending}")
    return events


async def _damage(
    sound: Path, path: Path, events: list[Event], random: Random, outcomes: Counter[str]
) -> None:
    """
    Damage a copy of the database, use it, and put a sound copy in its place.
    """
    _copy(sound, path)
    engine = create_engine(url_of(path), pool_size=2, max_overflow=0)
    store = SQLSessionStore(engine, timeout=0.5)
    if is_open := random.random() < 0.5:
        await store.open()
    damaged = path.with_name(path.name + random.choice(_ENDINGS))
    if damaged.exists():
        _spoil(damaged, random, can_be_cut=not is_open)
    works = _works(store, SQLQueryAPI(engine, timeout=0.5), SQLMaintenance(engine))
    random.shuffle(works)
    for work in works:
        async with asyncio.timeout(_LONG_SECONDS):
            outcomes[await _outcome(work)] += 1
    _copy(sound, path)
    async with asyncio.timeout(_LONG_SECONDS):
        assert await store.get_events("ses_1") == events
        await store.append_event(make_event(id="evt_last"))
        await store.aclose()
    await engine.dispose()


def _copy(source: Path, target: Path) -> None:
    """
    Put copies of a database and its log in the place of others, without their index.
    """
    target.with_name(f"{target.name}-shm").unlink(missing_ok=True)
    for ending in reversed(_ENDINGS):
        new = target.with_name("new")
        shutil.copy(f"{source}{ending}", new)
        new.replace(f"{target}{ending}")


def _spoil(path: Path, random: Random, *, can_be_cut: bool) -> None:
    """
    Write over some bytes at the beginning or anywhere, or cut the file short.
    """
    size = path.stat().st_size
    if can_be_cut and random.random() < 0.25:
        with path.open("r+b") as file:
            file.truncate(random.randrange(size))
        return
    with path.open("r+b") as file:
        for _ in range(random.choice([1, 8, 64])):
            file.seek(random.randrange(100 if random.random() < 0.2 else size))
            file.write(random.randbytes(random.choice([1, 16, 512])))


async def _outcome(work: Work) -> str:
    """
    Do some work, and tell how it ended; what is no error of ours is raised.
    """
    try:
        await work()
    except ValidationError as error:
        raise AssertionError("blamed on the caller") from error
    except StorageError as error:
        return "unknown" if error.outcome_unknown else "failed"
    except ASMError:
        # A row that cannot be found is not there, as far as one can see.
        return "failed"
    return "ok"


def _works(
    store: SQLSessionStore, query: SQLQueryAPI, maintenance: SQLMaintenance
) -> list[Work]:
    session = make_session(id="ses_new")
    run = make_run(id="run_new", session_id=session.id)
    result = make_execution_result(session=session, run=run, events=())
    return [
        lambda: store.get_events("ses_1"),
        lambda: store.get_session("ses_7"),
        store.list_sessions,
        lambda: store.list_runs("ses_7"),
        lambda: store.append_event(make_event(id="evt_new")),
        lambda: store.append_event(make_event(id="evt_other"), expected_sequence=400),
        lambda: store.save_session(make_session(id="ses_8")),
        lambda: store.save_run(make_run(id="run_8", session_id="ses_8")),
        lambda: store.flush(result),
        lambda: query.search_sessions(tags=["some"]),
        lambda: query.search_events(session_ids=["ses_1"]),
        query.get_usage_summary,
        lambda: query.export_session("ses_1"),
        maintenance.health_check,
    ]


CAMPAIGN = Campaign(
    name="damaged_files",
    title="Database file or log damaged",
    run=run,
    databases=("sqlite",),
    faults=300,
)
