"""
What the parts of the suite stand on: ports, and recorders that stand still.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest_asyncio

from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports
from asm_async.recording import RunRecorder, record_run
from asm_async.recording.leases import RunItems
from asm_async.testing.backend import RecordingBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

__all__ = [
    "RecordingContract",
    "lease_of",
    "make_old",
    "stand_still",
    "standing_still",
    "until",
]


class RecordingContract(SessionStoreContract):
    """
    One part of the suite; it needs the fixture ``backend`` and brings the others.
    """

    @pytest_asyncio.fixture
    async def ports(
        self, backend: RecordingBackend, open_store: OpenStore
    ) -> AsyncGenerator[Ports]:
        """
        Open the ports of a process that recovers what others have recorded.
        """
        ports = Ports(
            store=await open_store(),
            state=await backend.open_state_store(),
            query=await backend.open_query_api(),
            maintenance=await backend.open_maintenance(),
            feed=await backend.open_event_feed(),
            artifacts=await backend.open_artifact_registry(),
        )
        yield ports
        await ports.feed.aclose()
        await ports.state.aclose()


async def lease_of(state: StateStore, run: Run | RunRecorder) -> StateItem | None:
    """
    Return the lease of a run, if it has one.
    """
    items = RunItems(run.session_id, run.id)
    scope, key = items.lease
    return (await state.get_items(scope, [key])).get(key)


def stand_still() -> None:
    """
    Let no recorder renew its lease any more, as if their process was stopped.
    """
    for task in asyncio.all_tasks():
        if task.get_name() == "asm_async lease":
            task.cancel()


@asynccontextmanager
async def standing_still(
    store: SessionStore, session: Session | str, **options: Any
) -> AsyncGenerator[RunRecorder]:
    """
    Record a run whose recorder does not renew its lease.

    What is raised on leaving is not looked at.
    """
    recording: AbstractAsyncContextManager[RunRecorder]
    options.setdefault("lease", 0.1)
    recording = record_run(store, session, **options)
    run = await recording.__aenter__()
    stand_still()
    try:
        yield run
    finally:
        await asyncio.gather(
            recording.__aexit__(None, None, None), return_exceptions=True
        )


async def make_old(
    state: StateStore, run: RunRecorder, age: timedelta = timedelta(hours=1)
) -> None:
    """
    Let the lease of a run have been renewed so long ago.
    """
    lease = await lease_of(state, run)
    assert lease is not None
    renewed_at = (datetime.now(UTC) - age).timestamp()
    data = {**lease.data, "renewed_at": renewed_at}
    await state.save_items([attrs.evolve(lease, data=data)])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """
    Wait until a condition holds, for as long as that takes.
    """
    while not await condition():  # noqa: ASYNC110 - the database changes, no event
        await asyncio.sleep(0.01)
