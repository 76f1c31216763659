"""
What a log must not hold: values in all that can be stored, which are looked for in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from asm_async import Event, Ports, Session
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_event, make_item, make_run, make_session

LONG_SECONDS = 20

HUSH = "hush-7f3a9"
"""
Stands in each value that is stored, but for ids.
"""

OWNER = {"tenant_id": f"tenant {HUSH}", "user_id": f"user {HUSH}"}
SAID = {"content": f"said {HUSH}", "parts": [{f"key {HUSH}": f"part {HUSH}"}]}


class Said(NamedTuple):
    """
    A record, as far as a test asks about it.
    """

    level: str
    logger: str
    message: str


class Listener(logging.Handler):
    """
    Keeps every record, as it is and as a handler writes it, with its traceback.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        self.texts: list[str] = []
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """
        Keep a record.
        """
        self.records.append(record)
        self.texts.append(self.format(record))
        # Perhaps in the thread that watches a file.
        for loop, came in tuple(self._waiting):
            loop.call_soon_threadsafe(came.set)

    def said(self, text: str = "", level: int = logging.INFO) -> list[Said]:
        """
        Return what was said, at a level or above it, with a text in it.
        """
        return [
            Said(record.levelname, record.name, record.getMessage())
            for record in self.records
            if record.levelno >= level and text in record.getMessage()
        ]

    async def until(self, text: str, level: int = logging.INFO) -> None:
        """
        Wait until something was said, at a level or above it.
        """
        waiter = asyncio.get_running_loop(), asyncio.Event()
        self._waiting.append(waiter)
        async with asyncio.timeout(LONG_SECONDS):
            while not self.said(text, level):
                await waiter[1].wait()
                waiter[1].clear()
        self._waiting.remove(waiter)

    def said_once(self, text: str, level: str, module: str) -> None:
        """
        Prove that something was said once at its level, by a module of the package.
        """
        found = [each for each in self.said(text, 0) if each.level == level]
        found = [each for each in found if each.message.startswith(text)]
        assert len(found) == 1, (text, self.said(level=0))
        assert found[0].logger == f"asm_async.{module}"

    def assert_silent_about(self, *secrets: str) -> None:
        """
        Prove that no record holds any of these, in what it says or in what it carries.
        """
        for record, text in zip(self.records, self.texts, strict=True):
            carried = {**vars(record), "exc_info": None}
            for secret in secrets:
                assert secret not in text, text
                assert secret not in repr(carried), carried


def planted_session(**fields: Any) -> Session:
    """
    Make a session in which nothing but the id may be told.
    """
    planted: dict[str, Any] = {
        "agent_id": f"agent {HUSH}",
        "metadata": {"title": f"title {HUSH}"},
        "context": {"system": f"context {HUSH}"},
        "tags": (f"tag {HUSH}",),
        **OWNER,
    }
    return make_session(**(planted | fields))


def planted_event(number: int = 1, **fields: Any) -> Event:
    """
    Make an event in which nothing but the ids may be told.
    """
    planted: dict[str, Any] = {
        "id": f"evt_{number}",
        "data": SAID,
        "metadata": {"note": f"metadata {HUSH}"},
        "provider": f"provider {HUSH}",
        "correlation_id": f"correlation {HUSH}",
    }
    return make_event(**(planted | fields))


async def plant(ports: Ports, **session: Any) -> None:
    """
    Store a session with all that can be stored with it.
    """
    await ports.store.save_session(planted_session(**session))
    await ports.store.save_run(
        make_run(
            input=f"input {HUSH}",
            output={"text": f"output {HUSH}"},
            metadata={"note": f"run {HUSH}"},
            provider=f"provider {HUSH}",
        )
    )
    await ports.store.append_event(planted_event(0))
    item = make_item(
        scope=f"scope {HUSH}",
        key=f"key {HUSH}",
        data={"value": f"item {HUSH}"},
        content=f"content {HUSH}".encode(),
        session_id="ses_1",
    )
    await ports.state.save_items([item])


@asynccontextmanager
async def planted_ports(url: str, timeout: float) -> AsyncGenerator[SQLPorts]:
    """
    Open ports over a database with a planted session.
    """
    engine = create_engine(url)
    ports = SQLPorts(engine, timeout=timeout)
    await plant(ports)
    yield ports
    await ports.aclose()
    await engine.dispose()
