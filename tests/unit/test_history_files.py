from __future__ import annotations

import asyncio
import inspect
import json
from pathlib import Path

import pytest

from asm_async import Changes, ExecutionResult
from asm_async.errors import StorageUnavailableError, ValidationError
from asm_async.memory import InMemorySessionStore
from asm_async.ports import SessionStore
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.testing.history import (
    Call,
    HistoryWriter,
    Outcome,
    RecordingSessionStore,
    read_history,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return where a history is written.
    """
    return tmp_path / "writer-1.jsonl"


async def do_nothing() -> None:
    """
    Succeed.
    """


async def fail(error: BaseException) -> None:
    """
    Fail with *error*.
    """
    raise error


async def recorded(path: Path, *errors: BaseException) -> list[Call]:
    """
    Record calls that raise *errors*, one each.
    """
    with HistoryWriter(path) as history:
        for error in errors:
            with pytest.raises(type(error)):
                await history.record("append_event", fail(error))
    return read_history(path)


async def test_a_call_is_written_down_with_its_times(path: Path) -> None:
    """
    A history names the process and says what was called, when, and how it went.
    """
    times = iter([10, 20])
    with HistoryWriter(path, clock=lambda: next(times)) as history:
        await history.record("get_run", do_nothing(), run_id="run_1", limit=None)

    assert read_history(path) == [
        Call(
            process="writer-1",
            number=1,
            operation="get_run",
            arguments={"run_id": "run_1"},
            start=10,
            end=20,
            outcome=Outcome.OK,
        )
    ]


async def test_a_refused_call_has_failed(path: Path) -> None:
    """
    An error of ours that promises that nothing was written is a failure.
    """
    errors = ValidationError("no"), StorageUnavailableError("down")

    calls = await recorded(path, *errors)

    assert [call.outcome for call in calls] == [Outcome.FAILED, Outcome.FAILED]
    assert calls[0].error == {"type": "ValidationError", "args": ["no"]}


async def test_any_other_end_is_unknown(path: Path) -> None:
    """
    What says so, a cancellation, and what is no error of ours leave it open.
    """
    unknown = StorageUnavailableError("cut", True)  # noqa: FBT003 - as it is pickled

    calls = await recorded(path, unknown, asyncio.CancelledError(), RuntimeError("?"))

    assert {call.outcome for call in calls} == {Outcome.UNKNOWN}


def test_a_torn_last_line_is_allowed(path: Path) -> None:
    """
    A writer that was killed leaves a call of unknown outcome, wherever it was cut.
    """
    with HistoryWriter(path) as history:
        history.end(history.begin("get_run", run_id="run_1"), result={})
    whole = path.read_bytes()
    first = whole.index(b"\n")
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        calls = read_history(path)

        assert len(calls) == (1 if end > first else 0)
        assert all(call.outcome is Outcome.UNKNOWN for call in calls)


def test_a_damaged_line_is_refused(path: Path) -> None:
    """
    A line that is no JSON and not the last was written by nobody.
    """
    path.write_bytes(b'{"call": 1\n{}\n')

    with pytest.raises(json.JSONDecodeError):
        read_history(path)


def test_a_history_is_not_written_over(path: Path) -> None:
    """
    A file that exists is the history of another process.
    """
    path.touch()

    with pytest.raises(FileExistsError):
        HistoryWriter(path)


async def test_what_an_iterator_gives_is_written_down_at_once(path: Path) -> None:
    """
    Each step stands in the file before the next one is taken.
    """
    with HistoryWriter(path) as history:
        number = history.begin("follow_session", session_id="ses_1")
        history.step(number, make_event(sequence_number=1))

        (call,) = read_history(path)

    assert call.given == (make_event(sequence_number=1).to_dict(),)


async def test_every_method_is_recorded(path: Path) -> None:
    """
    A recording store does what the one behind it does, and writes every call down.
    """
    with HistoryWriter(path) as history:
        store: SessionStore = RecordingSessionStore(InMemorySessionStore(), history)
        await store.save_session(make_session())
        await store.save_run(make_run())
        await store.append_event(make_event(id="evt_0"))
        await store.append_event_with_sequence(make_event(id="evt_00"))
        await store.append_events([make_event(id="evt_000")])
        flushed = await store.flush(make_execution_result())
        changes = Changes(create_session=make_session(), runs=(make_run(id="run_2"),))
        await store.commit(changes, expected_revisions={"run_2": 0})
        assert (await store.get_session("ses_1")).revision == 2
        assert (await store.get_run("run_1")).revision == 2
        assert len(await store.list_sessions(agent_id="assistant")) == 1
        assert len(await store.list_runs("ses_1", limit=1)) == 1
        assert await store.get_active_run("ses_1") is None
        session = await store.update_session("ses_1", lambda one: one.with_tags(["t"]))
        run = await store.update_run("run_1", lambda one: one.set_cost(0.5))
        assert (session.revision, run.revision) == (3, 3)
        assert len(await store.get_events("ses_1", since=NOON, after=1)) == 4
        assert await store.get_latest_sequence("ses_1") == 5
        retracted = await store.retract_events("ses_1", first=1, last=2)
        await store.copy_session("ses_1", make_session(id="copy"))
        await store.delete_session("ses_1")
        await store.aclose()
    calls = {call.operation: call for call in read_history(path)}
    methods = {
        name
        for name, _ in inspect.getmembers(SessionStore, inspect.isfunction)
        if not name.startswith("_")
    }

    assert isinstance(flushed, ExecutionResult)
    # An update is recorded as the calls that it makes.
    assert set(calls) == methods - {"aclose", "update_session", "update_run"}
    assert calls["get_events"].arguments == {
        "session_id": "ses_1",
        "since": NOON.isoformat(),
        "after": 1,
        "visible_only": False,
    }
    # Without an id of its own nobody could tell whose event it was.
    assert calls["retract_events"].arguments["operation_id"] == retracted[0].id
    assert calls["append_events"].result == [
        make_event(id="evt_000", sequence_number=3).to_dict()
    ]
