"""
How a recorded run ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

import attrs
import pytest

from asm_async.errors import LeaseLostError, SessionDeletedError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.recording import RunRecorder, record_run
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.event import EventType
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session

__all__ = ["TestRunEndings"]

ENDINGS = (
    (TimeoutError("too slow"), RunStatus.TIMEOUT, {"reason": "too slow"}),
    (asyncio.CancelledError(), RunStatus.CANCELLED, {"reason": "CancelledError"}),
    (KeyboardInterrupt(), RunStatus.CANCELLED, {"reason": "KeyboardInterrupt"}),
    (SystemExit(1), RunStatus.CANCELLED, {"reason": "1"}),
    (
        RuntimeError("no answer"),
        RunStatus.FAILED,
        {"error_code": "RuntimeError", "error_message": "no answer"},
    ),
    (
        ValidationError("data: wrong"),
        RunStatus.FAILED,
        {"error_code": "validation_error", "error_message": "data: wrong"},
    ),
    (
        ExceptionGroup("two", [ValueError("one")]),
        RunStatus.FAILED,
        {
            "error_code": "ExceptionGroup",
            "error_message": "two (1 sub-exception)",
        },
    ),
)


class TestRunEndings(SessionStoreContract):
    """
    A run never has the status of an end without its event, nor the other way round.
    """

    @pytest.mark.parametrize(
        ("error", "status", "data"),
        ENDINGS,
        ids=[type(error).__name__ for error, _, _ in ENDINGS],
    )
    async def test_an_exception_ends_the_run_and_goes_on(
        self,
        store: SessionStore,
        session: Session,
        error: BaseException,
        status: RunStatus,
        data: dict[str, str],
    ) -> None:
        """
        What leaves the block says how the run ended, and reaches the caller as it was.
        """

        async def use(run: RunRecorder) -> None:
            run.add_usage({"input_tokens": 3, "output_tokens": 1})
            raise error

        caught = await error_of(store, session, use)
        ended = await store.get_run("run_1")
        (last,) = await store.get_events(session.id, last=1)

        assert caught is error
        assert not hasattr(error, "__notes__")
        assert ended.status is status
        assert ended.ended_at == last.timestamp
        assert ended.total_tokens == 4
        assert last.type == f"run_{status}"
        assert last.data == data
        assert ended.error == expected_error(data)

    async def test_what_an_exception_says_is_cut(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        An exception of any length, or that cannot even be written down, ends the run.
        """

        class SilentError(Exception):
            def __str__(self) -> str:
                raise RuntimeError

        for run_id, error in enumerate((ValueError("x" * 20_000), SilentError())):
            with pytest.raises(type(error)):
                async with record_run(store, session, run_id=f"run_{run_id}"):
                    raise error
        long, silent = await store.list_runs(session.id)

        assert long.error == {"code": "ValueError", "message": "x" * 10_000}
        assert silent.error == {"code": "SilentError", "message": "SilentError"}

    async def test_a_run_that_others_save_goes_on(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        What another one saves of the run is kept, and so is what was changed here.
        """
        async with record_run(store, session) as run:
            run.add_usage({"input_tokens": 3, "output_tokens": 1})
            await store.update_run(run.id, named("first"))
            await run.message_sent("Hello")
            await store.update_run(run.id, named("second"))
        ended = await store.get_run(run.id)

        assert ended.metadata == {"name": "second"}
        assert ended.total_tokens == 4
        assert ended.status is RunStatus.COMPLETED

    async def test_a_run_that_others_end_is_not_written_to(
        self, open_store: OpenStore, store: SessionStore, session: Session
    ) -> None:
        """
        Each step, and leaving, says that the run was ended; nothing more is written.
        """
        other = await open_store()

        async def use(run: RunRecorder) -> None:
            await run.message_sent("Hello")
            await other.update_run(run.id, failing)
            await expect_lost(run)
            run.set_output("Hello")
            await expect_lost(run)

        caught = await error_of(store, session, use)

        assert isinstance(caught, LeaseLostError)
        assert (await store.get_run("run_1")).output is None
        assert len(await store.get_events(session.id)) == 2

    async def test_leaving_says_that_the_run_was_ended(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Who believes to have completed a run that was ended meanwhile is told better.
        """
        error = RuntimeError("no answer")

        async def use(run: RunRecorder) -> None:
            await store.update_run(run.id, failing)

        async def fail(run: RunRecorder) -> None:
            await store.update_run(run.id, failing)
            raise error

        lost = await error_of(store, session, use)
        caught = await error_of(store, session, fail, run_id="run_2")

        assert isinstance(lost, LeaseLostError)
        assert caught is error
        assert "is failed already" in error.__notes__[0]
        assert len(await store.get_events(session.id)) == 2

    async def test_what_keeps_a_run_from_being_ended_hides_nothing(
        self, store: SessionStore, session: Session, backend: SessionStoreBackend
    ) -> None:
        """
        If the end cannot be written, what left the block leaves it, with a note.
        """
        error = RuntimeError("no answer")

        async def use(run: RunRecorder) -> None:
            await backend.soft_delete(session.id)
            with pytest.raises(SessionDeletedError):
                await run.message_sent("Hello")
            raise error

        async def delete(_: RunRecorder) -> None:
            await backend.soft_delete(session.id)

        caught = await error_of(store, session, use)
        await backend.restore(session.id)
        refused = await error_of(store, session, delete, run_id="run_2")

        assert caught is error
        (note,) = error.__notes__
        assert note.startswith("run 'run_1' was not ended: session 'ses_1' is deleted")
        assert isinstance(refused, SessionDeletedError)
        assert (await store.get_run("run_1")).status is RunStatus.RUNNING

    async def test_a_run_whose_session_is_gone_is_lost(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Where a session is deleted for good, its recorder finds its run gone.
        """

        async def use(run: RunRecorder) -> None:
            await store.delete_session(session.id)
            await run.message_sent("Hello")

        caught = await error_of(store, session, use)

        assert isinstance(caught, LeaseLostError)
        assert "is gone" in str(caught)

    async def test_a_recorder_that_is_closed_ends_its_run(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        A generator that records a run ends it when its reader breaks off.
        """

        async def pieces() -> AsyncGenerator[str]:
            async with record_run(store, session) as run:
                for piece in ("a", "b"):
                    await run.message_streamed(piece)
                    yield piece

        reading = pieces()
        assert await anext(reading) == "a"
        await reading.aclose()

        (run,) = await store.list_runs(session.id)
        assert run.status is RunStatus.CANCELLED
        events = await store.get_events(session.id)
        assert events[-1].type is EventType.RUN_CANCELLED


async def error_of(
    store: SessionStore,
    session: Session,
    use: Callable[[RunRecorder], Awaitable[None]],
    run_id: str = "run_1",
) -> BaseException | None:
    """
    Record a run, and return what leaves its block.
    """
    try:
        async with record_run(store, session, run_id=run_id) as run:
            await use(run)
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    return None


def expected_error(data: Mapping[str, str]) -> dict[str, str] | None:
    """
    Return the error of a run whose last event has this data.
    """
    if "error_code" not in data:
        return None
    return {"code": data["error_code"], "message": data["error_message"]}


async def expect_lost(run: RunRecorder) -> None:
    """
    Take a step, and be told that the run was ended.
    """
    with pytest.raises(LeaseLostError, match=f"run '{run.id}' is failed already"):
        await run.message_received("Hello")


def named(name: str) -> Callable[[Run], Run]:
    """
    Return what gives a run a name.
    """
    return lambda run: attrs.evolve(run, metadata={"name": name})


def failing(run: Run) -> Run:
    """
    End a run by hand.
    """
    return run.fail({"message": "ended by hand"})
