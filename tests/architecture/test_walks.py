"""
The walks of docs/explanation/architecture.md, beside what really runs.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from asm_async import Event, open_store
from asm_async.sql import SQLEventFeed, SQLSessionStore
from asm_async.testing.factories import make_event, make_events, make_session

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "asm_async"
PAGE = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")

# A walk that is longer cannot be held in mind. It only ever goes down.
MAX_FILES_PER_APPEND = 12

LONG_SECONDS = 30
# Through which each call of a port comes first; the page says so above the walks.
OBSERVING = "fronts/observing.py"

# Other processes are told of an append in the background, some time after it.
SILENT = {"asm_announces": False}

# The listener of a feed connects, and the look beside it begins, after it is followed.
CONNECTING = {
    "fronts/log_records.py",
    "sql/runtime/shared_state.py",
    "sql/dialects/pools.py",
    "sql/dialects/postgresql/connection.py",
    "sql/dialects/postgresql/hosts.py",
}

ROUNDS = 5
"""
How often an event is followed.
"""

EVENTS = 5
"""
How many events there are before anybody looks.
"""


def walk_of(title: str) -> list[str]:
    """
    Return the files that a section of the page names, in its order.
    """
    pattern = rf"(?ms)^### {title}\n(.*?)(?=^##|\Z)"
    (section,) = re.findall(pattern, PAGE)
    return re.findall(r"^\d+\. `([\w/]+\.py)`", section, re.MULTILINE)


class Trace:
    """
    The package's files whose functions run, of each thread, in the order of the first.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.files: dict[int, list[str]] = {}
        self.functions: set[tuple[str, str]] = set()

    def note(self, frame: FrameType, event: str, _: object) -> None:
        """
        Note a call.
        """
        path = Path(frame.f_code.co_filename)
        is_call = event == "call" and frame.f_code.co_name != "<module>"
        if self.is_on and is_call and path.is_relative_to(PACKAGE):
            files = self.files.setdefault(threading.get_ident(), [])
            name = path.relative_to(PACKAGE).as_posix()
            if name == OBSERVING:
                return
            if name not in files:
                files.append(name)
            self.functions.add((name, frame.f_code.co_name))

    def begin(self) -> None:
        """
        Forget what ran, and note what runs from now on.
        """
        self.files.clear()
        self.functions.clear()
        self.is_on = True

    async def of(self, call: Awaitable[Any]) -> set[str]:
        """
        Await *call*, and return the files that ran meanwhile.
        """
        self.begin()
        await call
        self.is_on = False
        return {name for files in self.files.values() for name in files}

    def is_in_order(self, walk: list[str]) -> bool:
        """
        Return whether this thread, the event loop's, came to its files as *walk* says.
        """
        files = self.files[threading.get_ident()]
        return files == sorted(files, key=walk.index)


@contextmanager
def tracing() -> Generator[Trace]:
    """
    Trace this thread and those that begin meanwhile.
    """
    trace = Trace()
    threading.setprofile(trace.note)
    sys.setprofile(trace.note)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@pytest.fixture(
    params=["SQLite", pytest.param("PostgreSQL", marks=pytest.mark.postgres)]
)
def database(request: pytest.FixtureRequest) -> str:
    """
    Name each database in turn.
    """
    return str(request.param)


@pytest.fixture
def url(request: pytest.FixtureRequest, database: str) -> str:
    """
    Return a database that has our tables.
    """
    name = "sqlite" if database == "SQLite" else "postgres"
    return str(request.getfixturevalue(f"migrated_{name}_url"))


@asynccontextmanager
async def warm_store(url: str, **options: Any) -> AsyncGenerator[SQLSessionStore]:
    """
    Open a store that has been at work, so that nothing is done for the first time.
    """
    async with open_store(url, **options) as store:
        await store.save_session(make_session())
        for event in make_events(EVENTS):
            await store.append_event_with_sequence(event)
        await store.get_events("ses_1", last=2)
        yield store


def next_event() -> Event:
    """
    Make the event that is appended while somebody looks.
    """
    return make_event(id="evt_next")


def test_the_page_says_what_each_call_comes_through_first() -> None:
    """
    The walks leave it out, since it does nothing unless somebody observes.
    """
    assert f"`{OBSERVING}`" in PAGE.split("### An append on SQLite")[0]


async def test_an_append_goes_through_the_files_that_the_page_names(
    database: str, url: str
) -> None:
    """
    An append of one event runs these files and no others, in this order.
    """
    walk = walk_of(f"An append on {database}")
    with tracing() as trace:
        async with warm_store(url, execution_options=SILENT) as store:
            event = next_event()
            files = await trace.of(store.append_event_with_sequence(event))

    assert files == set(walk), f"what ran: {trace.files}"
    assert trace.is_in_order(walk), f"what ran: {trace.files}"
    assert len(walk) <= MAX_FILES_PER_APPEND


async def test_a_read_goes_through_the_files_that_the_page_names(
    database: str, url: str
) -> None:
    """
    Reading a session's last events runs these files and no others, in this order.
    """
    walk = walk_of(f"A read on {database}")
    with tracing() as trace:
        async with warm_store(url, execution_options=SILENT) as store:
            files = await trace.of(store.get_events("ses_1", last=2))

    assert files == set(walk), f"what ran: {trace.files}"
    assert trace.is_in_order(walk), f"what ran: {trace.files}"


async def test_an_event_comes_to_its_follower_through_the_files_that_the_page_names(
    database: str, url: str
) -> None:
    """
    What runs for a follower each time, beside the append, stands on the page, and runs.
    """
    walk = set(walk_of("An event to its follower"))
    with tracing() as trace:
        async with warm_store(url) as store:
            append, always, ever = await append_and_follow(trace, store, store)

    # What looks for events of other processes runs whenever it likes.
    meanwhile = set(walk_of(f"An event from another process on {database}")) - walk
    assert always - append - meanwhile - CONNECTING <= walk
    assert walk <= ever


async def test_an_event_of_another_process_comes_through_the_files_that_the_page_names(
    database: str, url: str
) -> None:
    """
    So it is where the event is appended by a store that knows nothing of the follower.
    """
    walk = set(walk_of(f"An event from another process on {database}"))
    with tracing() as trace:
        async with warm_store(url) as store, open_store(url) as another:
            append, always, ever = await append_and_follow(trace, store, another)

    assert always - append - CONNECTING <= walk
    assert walk <= ever


async def append_and_follow(
    trace: Trace, store: SQLSessionStore, writer: SQLSessionStore
) -> tuple[set[str], set[str], set[str]]:
    """
    Let *writer* append while a feed beside *store* waits for an event, several times.

    Returns:
        The files that run when nobody follows, those that ran each time, and those
        that ran at any time: where two calls meet, another connection is opened, or a
        call waits, and the files of that run too.
    """
    append = await trace.of(writer.append_event_with_sequence(make_event(id="evt_0")))
    feed = SQLEventFeed(store.engine)
    rounds: list[set[str]] = []
    for number in range(1, ROUNDS + 1):
        event = make_event(id=f"evt_next_{number}")
        following = feed.follow_session("ses_1", after=EVENTS + number)
        async with aclosing(following), asyncio.timeout(LONG_SECONDS):
            trace.begin()
            task = asyncio.ensure_future(anext(following))
            while ("sql/feed/readers.py", "wait") not in trace.functions:  # noqa: ASYNC110 - what runs tells nobody
                await asyncio.sleep(0)
            rounds.append(await trace.of(write_and_wait(writer, event, task)))
    await feed.aclose()
    first, *others = rounds
    return append, first.intersection(*others), first.union(*others)


async def write_and_wait(
    writer: SQLSessionStore, event: Event, task: asyncio.Task[Event]
) -> None:
    """
    Append *event*, and wait until *task* has come to it.
    """
    await writer.append_event_with_sequence(event)
    assert (await task).id == event.id
