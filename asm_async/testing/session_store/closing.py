"""
Stores that were closed, or are used from another event loop.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import pytest

from asm_async.errors import StoreClosedError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import race
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.session_store.contract import (
    OpenStore,
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["TestClosing"]

Call: TypeAlias = Callable[[SessionStore], Coroutine[Any, Any, object]]


def _renamed(session: Session) -> Session:
    return session.with_metadata(title="renamed")


_CALLS: Mapping[str, Call] = {
    "save_session": lambda store: store.save_session(make_session()),
    "get_session": lambda store: store.get_session("ses_1"),
    "list_sessions": lambda store: store.list_sessions(),
    "delete_session": lambda store: store.delete_session("ses_1"),
    "save_run": lambda store: store.save_run(make_run()),
    "update_session": lambda store: store.update_session("ses_1", _renamed),
    "update_run": lambda store: store.update_run("run_1", Run.increment_turn),
    "get_run": lambda store: store.get_run("run_1"),
    "list_runs": lambda store: store.list_runs("ses_1"),
    "get_active_run": lambda store: store.get_active_run("ses_1"),
    "append_event": lambda store: store.append_event(make_event(id="evt_3")),
    "append_event_with_sequence": lambda store: store.append_event_with_sequence(
        make_event(id="evt_3")
    ),
    "append_events": lambda store: store.append_events(make_events(1, first=3)),
    "flush": lambda store: store.flush(make_execution_result()),
    "commit": lambda store: store.commit(Changes(create_session=make_session())),
    "copy_session": lambda store: store.copy_session("ses_1", make_session(id="copy")),
    "retract_events": lambda store: store.retract_events("ses_1", first=1, last=1),
    "get_events": lambda store: store.get_events("ses_1", wait_timeout=60),
    "get_latest_sequence": lambda store: store.get_latest_sequence("ses_1"),
}


class TestClosing(SessionStoreContract):
    """
    A closed store finishes what was begun and refuses what comes after.
    """

    async def test_every_method_of_the_port_is_tried(self) -> None:
        """
        The calls of the tests below are all there are, but for aclose itself.
        """
        methods = {
            name
            for port in inspect.getmro(SessionStore)[:-1]
            for name in vars(port)
            if name[0] != "_"
        }
        assert set(_CALLS) == methods - {"aclose"}

    @needs(Capability.SPANS_SESSIONS)
    async def test_every_method_refuses_once_the_store_is_closed(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Reads and writes alike, and nothing is written.
        """
        flushed = await store.flush(make_execution_result())
        await store.aclose()
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await call(store)
        another = await open_store()
        assert await another.get_session("ses_1") == flushed.session
        assert await another.get_events("ses_1") == list(flushed.events)

    async def test_a_store_may_be_closed_twice(self, store: SessionStore) -> None:
        """
        Also at the same time, and before it was ever used.
        """
        await asyncio.gather(store.aclose(), store.aclose())
        await store.aclose()
        with pytest.raises(StoreClosedError):
            await store.list_sessions()

    async def test_closing_one_store_closes_no_other(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Other stores on the database go on as if nothing had happened.
        """
        another = await open_store()
        await store.flush(make_execution_result())
        await store.aclose()
        stored = await another.append_events(make_events(1, first=3))
        assert numbers_of(stored) == [3]
        assert numbers_of(await another.get_events("ses_1")) == [1, 2, 3]

    async def test_closing_finishes_what_was_begun(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Each append beside the closing is acknowledged and stored, or refused as closed.
        """
        await store.save_session(make_session())

        async def close_later(turns: int) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await store.aclose()

        appends = [store.append_event_with_sequence(event) for event in make_events(16)]
        *outcomes, _ = await race([*appends, close_later(5)])
        stored = [outcome for outcome in outcomes if isinstance(outcome, Event)]
        refused = [o for o in outcomes if isinstance(o, StoreClosedError)]
        assert len(stored) + len(refused) == len(outcomes)
        log = await (await open_store()).get_events("ses_1")
        assert log == sorted(stored, key=lambda event: event.sequence_number)
        assert numbers_of(log) == list(range(1, len(log) + 1))

    @needs(Capability.SPANS_SESSIONS)
    async def test_a_store_belongs_to_the_loop_that_first_used_it(
        self, store: SessionStore
    ) -> None:
        """
        From another event loop every method refuses; in its own the store goes on.
        """
        flushed = await store.flush(make_execution_result())
        for call in _CALLS.values():
            with pytest.raises(StoreClosedError):
                await asyncio.to_thread(asyncio.run, call(store))
        assert await store.get_session("ses_1") == flushed.session
        assert await store.get_events("ses_1") == list(flushed.events)
