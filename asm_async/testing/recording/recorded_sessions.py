"""
How sessions are begun, gone on with and ended.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async.errors import (
    InvalidTransitionError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.recording import record_run, record_session
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.session import Session, SessionStatus

__all__ = ["TestRecordedSessions"]

BEGINNING = ("session_created", "session_started")


class TestRecordedSessions(SessionStoreContract):
    """
    A session never has a status without the event of it.
    """

    async def test_a_new_session_is_begun_and_left_active(
        self, store: SessionStore
    ) -> None:
        """
        It is stored with its first events, and can be gone on with by its id.
        """
        async with record_session(store, make_session(metadata={"a": 1})) as session:
            begun = await types_of(store, session)
            async with record_run(store, session) as run:
                await run.message_sent("Hello")
        async with record_session(store, make_session()) as again:
            pass

        assert begun == list(BEGINNING)
        assert session.status is SessionStatus.ACTIVE
        assert again == session == await store.get_session(session.id)
        assert len(await types_of(store, session)) == 5

    async def test_many_callers_begin_a_session_once(
        self, open_store: OpenStore
    ) -> None:
        """
        Of callers in several processes one creates the session; all go on with it.
        """
        stores = [await open_store() for _ in range(4)]

        async def begin(store: SessionStore, name: str) -> Session:
            given = make_session(metadata={"name": name})
            async with record_session(store, given) as session:
                return session

        sessions = await run_together(
            begin(store, str(number)) for number, store in enumerate(stores)
        )

        assert sessions == [await stores[0].get_session("ses_1")] * 4
        assert await types_of(stores[0], sessions[0]) == list(BEGINNING)

    @pytest.mark.parametrize(
        ("before", "types"),
        [
            (SessionStatus.PENDING, ["session_started"]),
            (SessionStatus.PAUSED, ["session_resumed"]),
            (SessionStatus.ACTIVE, []),
        ],
    )
    async def test_a_stored_session_becomes_active(
        self, store: SessionStore, before: SessionStatus, types: list[str]
    ) -> None:
        """
        A pending or paused session becomes active, with the event that says so.
        """
        await store.save_session(make_session(status=before))
        async with record_session(store, make_session()) as session:
            assert session.status is SessionStatus.ACTIVE

        assert await types_of(store, session) == types
        assert (await store.get_session(session.id)).status is SessionStatus.ACTIVE

    async def test_a_session_that_cannot_go_on_is_refused(
        self, store: SessionStore, session: Session, backend: SessionStoreBackend
    ) -> None:
        """
        One that is over, deleted, or another tenant's is not written to.
        """
        await backend.soft_delete(session.id)
        await expect_refused(store, session, SessionDeletedError)
        ended = make_session(id="ses_2", status=SessionStatus.COMPLETED)
        await store.save_session(ended)
        await expect_refused(store, ended, InvalidTransitionError)
        theirs = make_session(id="ses_3", tenant_id="acme")
        await store.save_session(theirs)
        for tenant_id in (None, "other"):
            own = make_session(id="ses_3", tenant_id=tenant_id)
            await expect_refused(store, own, SessionNotFoundError)

        assert await types_of(store, theirs) == []

    @pytest.mark.parametrize(
        ("error", "status", "data"),
        [
            (None, SessionStatus.COMPLETED, {}),
            (
                TimeoutError("slow"),
                SessionStatus.FAILED,
                {"error_code": "TimeoutError", "error_message": "slow"},
            ),
            (
                asyncio.CancelledError(),
                SessionStatus.CANCELLED,
                {"reason": "CancelledError"},
            ),
        ],
        ids=["nothing", "an exception", "a cancellation"],
    )
    async def test_a_session_can_be_ended_on_leaving(
        self,
        store: SessionStore,
        error: BaseException | None,
        status: SessionStatus,
        data: dict[str, str],
    ) -> None:
        """
        What leaves the block says how the session ended, and goes on as it was.

        What others have changed of the session meanwhile is kept.
        """

        def rename(session: Session) -> Session:
            return session.with_metadata(name="renamed")

        caught: BaseException | None = None
        try:
            async with record_session(store, make_session(), complete=True) as session:
                await store.update_session(session.id, rename)
                await leave_by(error)
        except BaseException as left:  # noqa: BLE001 - whatever leaves the block
            caught = left
        ended = await store.get_session("ses_1")
        (last,) = await store.get_events("ses_1", last=1)

        assert caught is error
        assert (ended.status, ended.metadata) == (status, {"name": "renamed"})
        assert (last.type, last.data) == (f"session_{status}", data)

    async def test_an_exception_leaves_a_chat_active(self, store: SessionStore) -> None:
        """
        Unless it is asked for, nothing that leaves the block ends the session.
        """
        with pytest.raises(ValueError, match="wrong"):
            async with record_session(store, make_session()):
                await leave_by(ValueError("wrong"))

        assert (await store.get_session("ses_1")).status is SessionStatus.ACTIVE

    @pytest.mark.parametrize("turns", range(0, 40, 4))
    async def test_a_cancelled_session_has_no_status_without_its_event(
        self, store: SessionStore, turns: int
    ) -> None:
        """
        Whenever its caller is cancelled, a session is begun and ended whole.
        """

        async def record() -> None:
            async with record_session(store, make_session(), complete=True):
                await asyncio.sleep(0)

        task = asyncio.create_task(record())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        stored = await store.list_sessions()
        types = [await types_of(store, session) for session in stored]

        ends = [[], ["session_cancelled"], ["session_completed"]]
        assert types in [[], *([[*BEGINNING, *end]] for end in ends)]
        if types and len(types[0]) > 2:
            assert types[0][2] == f"session_{stored[0].status}"

    async def test_wrong_arguments_are_refused(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        The error names the argument, and nothing is written.
        """
        wrong: dict[str, Any] = {"store": None, "session": "ses_1", "complete": 1}
        for name, value in wrong.items():
            arguments: dict[str, Any] = {"store": store, "session": session}
            with pytest.raises(ValidationError, match=f"^{name}"):
                async with record_session(**(arguments | {name: value})):
                    raise AssertionError

        assert await store.get_session(session.id) == session


async def types_of(store: SessionStore, session: Session) -> list[str]:
    """
    Return the types of a session's events, in order.
    """
    return [str(event.type) for event in await store.get_events(session.id)]


async def leave_by(error: BaseException | None) -> None:
    """
    Raise an error, if there is one.
    """
    if error is not None:
        raise error


async def expect_refused(
    store: SessionStore, session: Session, error: type[Exception]
) -> None:
    """
    Begin a session, and be refused.
    """
    with pytest.raises(error):
        async with record_session(store, session):
            raise AssertionError
