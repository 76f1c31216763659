"""
A browser, consoles for it to look at, and what must be true of every page.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import attrs
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from asm_async import Changes, Ports
from asm_async.portal import open_portal
from tests.browser.console_server import ConsoleServer
from tests.browser.showcase import write_showcase
from tests.console_seed import LONG_SESSION, Seed, read_conversations

CONVERSATIONS = Path(__file__).parents[2] / "examples" / "data" / "conversations.json"
DESK = {"width": 1_280, "height": 900}
MANY_SESSIONS = 10_000
MANY_EVENTS = 100_000
AT_ONCE = 250
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What a browser says of a server that is gone.
REFUSED = ("net::ERR_CONNECTION_REFUSED", "net::ERR_INCOMPLETE_CHUNKED_ENCODING")

OpenPage: TypeAlias = Callable[..., Page]


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    """
    Start the Chromium that the machine has.
    """
    path = shutil.which("chromium")
    assert path, "there is no chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@attrs.define
class Watch:
    """
    What went on in the pages of a test.
    """

    complaints: list[str] = attrs.field(factory=list[str])
    requested: set[str] = attrs.field(factory=set[str])

    def attach(self, page: Page) -> None:
        """
        Take note of errors, of the console, and of who is asked for what.
        """
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self._said(said.type, said.text))
        page.on("request", lambda request: self._asked(request.url))

    def _said(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "data":
            self.requested.add(f"{parts.scheme}://{parts.netloc}")


@pytest.fixture
def watch() -> Watch:
    """
    Watch the pages of a test.
    """
    return Watch()


@pytest.fixture
def open_page(
    browser: Browser, watch: Watch, request: pytest.FixtureRequest
) -> Generator[OpenPage]:
    """
    Open pages; prove in the end that each kept to its server and said no error.
    """
    # A server of the test's own is begun first, so that it ends after the pages.
    if "console" in request.fixturenames:
        request.getfixturevalue("console")
    contexts: list[Any] = []
    origins: set[str] = set()

    def open_one(server: ConsoleServer, path: str = "/", **options: Any) -> Page:
        asked: dict[str, Any] = {"viewport": DESK, **options}
        context = browser.new_context(base_url=server.url, **asked)
        contexts.append(context)
        origins.add(server.url)
        page: Page = context.new_page()
        watch.attach(page)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert watch.complaints == []
    assert watch.requested <= origins


@pytest.fixture(scope="session")
def showcase_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Write the showcase once.
    """
    path = tmp_path_factory.mktemp("showcase") / "showcase.sqlite3"
    with open_portal(f"sqlite+aiosqlite:///{path}", migrate=True) as portal:
        portal.call(lambda: write_showcase(portal.opened))
    return path


def served(server: ConsoleServer) -> Generator[ConsoleServer]:
    """
    Serve for as long as somebody needs it.
    """
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def showcase(showcase_file: Path) -> Generator[ConsoleServer]:
    """
    Serve the showcase to tests that only read.
    """
    yield from served(ConsoleServer(showcase_file))


@pytest.fixture
def console(showcase_file: Path, tmp_path: Path) -> Generator[ConsoleServer]:
    """
    Serve a showcase of its own to a test that writes, or ends the server.
    """
    path = tmp_path / "console.sqlite3"
    shutil.copy(showcase_file, path)
    yield from served(ConsoleServer(path, writable=True))


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Generator[ConsoleServer]:
    """
    Serve 10,000 sessions, the latest of which has 100,000 events.
    """
    path = tmp_path_factory.mktemp("crowd") / "crowd.sqlite3"
    with open_portal(
        f"sqlite+aiosqlite:///{path}", migrate=True, durability="relaxed"
    ) as portal:
        portal.call(lambda: write_crowd(portal.opened))
    yield from served(ConsoleServer(path))


async def write_crowd(ports: Ports) -> None:
    """
    Store many sessions, many at once, so that they share transactions.
    """
    made = Seed(read_conversations(CONVERSATIONS))
    for first in range(0, MANY_SESSIONS, AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + AT_ONCE):
                changes = made.changes(made.session(number), number, 4)
                group.create_task(ports.store.commit(changes))
    title = {"title": "The long one"}
    session = made.session(0, id=LONG_SESSION, metadata=title)
    await ports.store.save_session(session)
    conversations = itertools.count()
    left = MANY_EVENTS
    while left:
        some = [made.changes(session, next(conversations), None) for _ in range(100)]
        events = tuple(event for each in some for event in each.events)[:left]
        runs = tuple(run for each in some for run in each.runs)
        await ports.store.commit(Changes(runs=runs, events=events))
        left -= len(events)
