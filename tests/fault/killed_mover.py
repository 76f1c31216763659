"""
A process that appends large data and is killed on the way.

Called with a database's URL, a directory for contents, what to do (``append`` to a
session or ``begin`` one) and where to die: ``put``, after the content was put and
before anything is committed; ``committed``, after the commit; or ``never``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterable

from asm_async.artifacts import large_data
from asm_async.files import LocalArtifactStore
from asm_async.sql import SQLPorts, create_engine
from asm_async.testing.factories import make_event, make_session
from asm_async.values.artifact import ArtifactContent
from asm_async.values.changes import Changes

LARGE = "large " * 100


class KillingStore(LocalArtifactStore):
    """
    Kills this process after a content was put.
    """

    async def put(self, content: bytes | AsyncIterable[bytes]) -> ArtifactContent:
        """
        Keep a content, and die.
        """
        await super().put(content)
        return die()


def die() -> ArtifactContent:
    """
    Kill this process.
    """
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


async def write(url: str, directory: str, what: str, where: str) -> None:
    """
    Write what is to be written, and die where that is to be.
    """
    kind = KillingStore if where == "put" else LocalArtifactStore
    engine = create_engine(url)
    ports = large_data(SQLPorts(engine), contents=kind(directory), above=100)
    event = make_event(data={"content": LARGE})
    if what == "begin":
        session = make_session()
        await ports.store.commit(Changes(create_session=session, events=(event,)))
    else:
        await ports.store.append_events([event])
    if where == "committed":
        die()
    await ports.aclose()
    await engine.dispose()


asyncio.run(write(*sys.argv[1:]))
