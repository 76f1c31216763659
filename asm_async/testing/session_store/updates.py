"""
Reading a value, changing it, and saving it, so that nobody's change is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import pytest

from asm_async.errors import (
    InvalidTransitionError,
    NotFoundError,
    RunNotFoundError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_run, make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

__all__ = ["TestUpdates"]

_UPDATES_EACH = 10


def _count(session: Session) -> Session:
    return session.with_metadata(count=session.metadata.get("count", 0) + 1)


def _run_instead(_: Session) -> Run:
    return make_run()


_RETURNS_A_SESSION = "expected a function that returns a Session, got"

_WRONG: tuple[tuple[Any, str], ...] = (
    (None, "expected a function, got"),
    (print, _RETURNS_A_SESSION),
    (_run_instead, _RETURNS_A_SESSION),
    (partial(attrs.evolve, id="ses_2"), "expected 'ses_1' back, got 'ses_2'"),
)


def _raise(value: Any) -> Any:
    raise KeyError(value.id)


class TestUpdates(SessionStoreContract):
    """
    ``update_session`` and ``update_run``.
    """

    async def test_no_update_is_lost(
        self, store: SessionStore, open_store: OpenStore
    ) -> None:
        """
        Five workers that change one session, and one run, at the same time.
        """
        await store.save_session(make_session(metadata={"title": "kept"}))
        await store.save_run(make_run())
        workers = [await open_store() for _ in range(5)]

        async def work(worker: SessionStore) -> None:
            for _ in range(_UPDATES_EACH):
                await worker.update_session("ses_1", _count)
                await worker.update_run("run_1", Run.increment_turn)

        await run_together(work(worker) for worker in workers)

        session, run = await store.get_session("ses_1"), await store.get_run("run_1")
        total = _UPDATES_EACH * len(workers)
        assert session.metadata == {"title": "kept", "count": total}
        assert run.turn_count == total
        assert session.revision == run.revision == total + 1

    async def test_the_stored_value_comes_back(self, store: SessionStore) -> None:
        """
        With its revision, as the next reader finds it.
        """
        await store.save_session(make_session(tags=("a",)))
        await store.save_run(make_run())

        session = await store.update_session(
            "ses_1", lambda one: one.with_tags(add=["b"], remove=["a"])
        )
        run = await store.update_run("run_1", lambda one: one.complete("done"))

        assert (session.tags, session.revision) == (("b",), 2)
        assert await store.get_session("ses_1") == session
        assert (run.output, run.status) == ("done", RunStatus.COMPLETED)
        assert run.revision == 2
        assert await store.get_run("run_1") == run

    async def test_what_changes_nothing_saves_nothing(
        self, store: SessionStore
    ) -> None:
        """
        Neither the value itself nor another one with the same content.
        """
        saved = await store.save_session(make_session())
        ran = await store.save_run(make_run())

        assert await store.update_session("ses_1", lambda one: one) == saved
        assert await store.update_session("ses_1", attrs.evolve) == saved
        assert await store.update_run("run_1", lambda one: one) == ran

    @pytest.mark.parametrize(("change", "words"), _WRONG, ids=range(len(_WRONG)))
    async def test_a_change_to_something_else_is_refused(
        self, store: SessionStore, change: Callable[[Session], Any], words: str
    ) -> None:
        """
        The message names *change*, and nothing is saved.
        """
        saved = await store.save_session(make_session())

        with pytest.raises(ValidationError, match=f"^change: {words}"):
            await store.update_session("ses_1", change)

        assert await store.list_sessions() == [saved]

    async def test_what_a_change_raises_is_raised(self, store: SessionStore) -> None:
        """
        And nothing is saved, also where the status may not change so.
        """
        saved = await store.save_session(make_session(status=SessionStatus.COMPLETED))
        ran = await store.save_run(make_run(status=RunStatus.FAILED))

        for update in (
            store.update_session("ses_1", _raise),
            store.update_run("run_1", _raise),
        ):
            with pytest.raises(KeyError):
                await update
        with pytest.raises(InvalidTransitionError):
            await store.update_run("run_1", Run.complete)
        with pytest.raises(InvalidTransitionError):
            await store.update_session(
                "ses_1", lambda one: attrs.evolve(one, status=SessionStatus.ACTIVE)
            )

        assert await store.get_session("ses_1") == saved
        assert await store.get_run("run_1") == ran

    async def test_what_is_not_there_is_not_found(
        self, store: SessionStore, backend: SessionStoreBackend
    ) -> None:
        """
        Nor what is another tenant's; a soft-deleted session is closed.
        """
        await store.save_session(make_session(tenant_id="t"))
        await store.save_run(make_run())
        for refused in (
            store.update_session("ses_2", _raise),
            store.update_run("run_2", _raise),
            store.update_session("ses_1", _raise, expected_tenant="u"),
            store.update_run("run_1", _raise, expected_tenant="u"),
        ):
            with pytest.raises(NotFoundError) as caught:
                await refused
            assert type(caught.value) in {SessionNotFoundError, RunNotFoundError}

        await backend.soft_delete("ses_1")
        for refused in (
            store.update_session("ses_1", _count),
            store.update_run("run_1", Run.increment_turn),
        ):
            with pytest.raises(SessionDeletedError):
                await refused
