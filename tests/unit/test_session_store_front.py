from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.memory import InMemorySessionStore
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event, EventSnapshot, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
SESSION = Session.new(id="ses_1", agent_id="assistant", created_at=NOON)
RUN = Run.new(id="run_1", session_id="ses_1", started_at=NOON)
DELETED = attrs.evolve(SESSION, deleted_at=NOON)
RESULT = ExecutionResult(session=SESSION, run=RUN)
CHANGES = Changes(session=SESSION, runs=(RUN,))

# A stand-in for every argument, since a front sees what the type checker cannot.
WRONG: Any = object()


class Backend(InMemorySessionStore):
    """
    Remembers what its front handed on to be written, and stores nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.handed_on: list[tuple[Any, Any]] = []

    @property
    def changes(self) -> list[Any]:
        """
        What was to be written, without what was expected.
        """
        return [changes for changes, _ in self.handed_on]

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        assert expected_tenant is None
        self.handed_on.append((batch, expected_sequence))
        return [event for event, _, _ in batch]

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        (revision,) = expected.expected_revisions.values() or [None]
        given = expected.expected_sequence, expected.expected_revision, revision
        self.handed_on.append(
            (changes, next((n for n in given if n is not None), None))
        )
        events = tuple(event for event, _, _ in changes.batch)
        return Committed(session=changes.session, runs=changes.runs, events=events)


Call: TypeAlias = Callable[[Backend], Awaitable[object]]


@pytest.fixture
def backend() -> Backend:
    """
    Make a backend that has been handed nothing.
    """
    return Backend()


def event(name: str = "evt_1", session_id: str = "ses_1") -> Event:
    """
    Make an event that may be appended.
    """
    return Event.new(
        id=name,
        type=EventType.MESSAGE_SENT,
        session_id=session_id,
        data={"content": "hello"},
        timestamp=NOON,
    )


NUMBERED = attrs.evolve(event(), sequence_number=7)


async def test_what_is_to_be_written_is_handed_on_as_a_copy(backend: Backend) -> None:
    """
    A backend is handed values that are equal, and share no JSON with the caller's.
    """
    given = event()
    result = attrs.evolve(RESULT, events=(given,), provider_metadata={"model": "m"})
    await backend.save_session(SESSION)
    await backend.save_run(RUN)
    await backend.append_events([given])
    await backend.flush(result)
    await backend.commit(Changes(create_session=SESSION, runs=(RUN,), events=(given,)))

    of_session, of_run, batch, of_flush, of_commit = backend.changes
    created = of_commit.create_session
    assert (of_session.session, of_run.runs) == (SESSION, (RUN,))
    assert (of_flush.session, of_flush.runs) == (SESSION, (result.run,))
    assert (created, of_commit.runs) == (SESSION, (RUN,))
    for copy in (of_session.session, of_flush.session, created):
        assert copy.metadata is not SESSION.metadata
    for copy in (*of_run.runs, *of_flush.runs, *of_commit.runs):
        assert copy.metadata is not RUN.metadata
    for events in (batch, of_flush.batch, of_commit.batch):
        assert events[0][0] == given
        assert events[0][0].data is not given.data


async def test_an_event_is_handed_on_with_its_texts(backend: Backend) -> None:
    """
    However an event is appended, its backend has *data* and *metadata* as stored.
    """
    given = event()
    await backend.append_event(given)
    await backend.append_event_with_sequence(given)
    await backend.append_events([given])
    await backend.flush(attrs.evolve(RESULT, events=(given,)))

    *appends, flushed = backend.changes
    for batch in (*appends, flushed.batch):
        assert batch == ((given, encode_json(given.data), "{}"),)


async def test_json_that_was_spoilt_is_refused_with_its_path(backend: Backend) -> None:
    """
    What is no JSON any more is named by argument, field and place in it.
    """
    spoilt = event("evt_2")
    spoilt.data["steps"] = [math.nan]
    result = ExecutionResult(session=SESSION, run=RUN, events=(event(), spoilt))
    place = r"^events\[0\]\.data\['steps'\]\[0\]: nan"
    with pytest.raises(ValidationError, match=place):
        await backend.append_events([spoilt])
    with pytest.raises(ValidationError, match=place):
        await backend.append_event_with_sequence(spoilt)
    with pytest.raises(ValidationError, match=r"^result\.events\[1\]\.data\['steps'\]"):
        await backend.flush(result)
    with pytest.raises(
        ValidationError, match=r"^changes\.events\[1\]\.data\['steps'\]"
    ):
        await backend.commit(Changes(events=(event(), spoilt)))
    session = attrs.evolve(SESSION)
    session.context["limit"] = math.inf
    with pytest.raises(ValidationError, match=r"^session\.context\['limit'\]: inf"):
        await backend.save_session(session)
    result = attrs.evolve(RESULT, provider_metadata={})
    result.provider_metadata["model"] = b"m"
    with pytest.raises(ValidationError, match=r"^result\.provider_metadata\['model'\]"):
        await backend.flush(result)
    assert backend.handed_on == []


def with_expectation(expected: Any) -> list[tuple[str, Call]]:
    """
    Make a call of each method that takes an expectation, under its argument's name.
    """
    return [
        (
            "expected_revision",
            lambda b: b.save_session(SESSION, expected_revision=expected),
        ),
        ("expected_revision", lambda b: b.save_run(RUN, expected_revision=expected)),
        (
            "expected_sequence",
            lambda b: b.append_event(event(), expected_sequence=expected),
        ),
        (
            "expected_sequence",
            lambda b: b.append_event_with_sequence(event(), expected_sequence=expected),
        ),
        (
            "expected_sequence",
            lambda b: b.append_events([event()], expected_sequence=expected),
        ),
        ("expected_sequence", lambda b: b.flush(RESULT, expected_sequence=expected)),
        ("expected_sequence", lambda b: b.commit(CHANGES, expected_sequence=expected)),
        ("expected_revision", lambda b: b.commit(CHANGES, expected_revision=expected)),
    ]


@pytest.mark.parametrize("expected", [None, 0, 2**53 - 1])
async def test_an_expectation_is_none_or_a_count(
    backend: Backend, expected: int | None
) -> None:
    """
    None, 0 and the largest number may be expected, of revisions and of numbers.
    """
    calls = with_expectation(expected)
    for _, call in calls:
        await call(backend)
    assert [given for _, given in backend.handed_on] == [expected] * len(calls)


@pytest.mark.parametrize("expected", [-1, 2**53, True, 1.0, "1"])
async def test_another_expectation_is_refused(
    backend: Backend, expected: object
) -> None:
    """
    A negative, a huge, a boolean and a number of another type are no expectation.
    """
    for name, call in with_expectation(expected):
        with pytest.raises(ValidationError, match=f"^{name}: "):
            await call(backend)
    assert backend.handed_on == []


async def test_a_batch_keeps_its_order(backend: Backend) -> None:
    """
    Any iterable is a batch and is read once, in its order; nothing is one too.
    """
    events = [event("evt_2"), event("evt_1"), event("evt_1", "ses_2")]
    once: Any = iter(events)
    assert await backend.append_events(once) == events
    assert await backend.append_events([], expected_sequence=5) == []
    assert backend.handed_on[1] == ((), 5)


async def test_a_batch_is_bounded_in_its_sessions(backend: Backend) -> None:
    """
    As many sessions as the port says are accepted, and one more is refused.
    """
    batch = [event(session_id=f"ses_{n}") for n in range(MAX_SESSIONS_PER_BATCH + 1)]
    await backend.append_events(batch[1:])
    with pytest.raises(ValidationError, match=r"^events: .*1000 sessions, got 1001"):
        await backend.append_events(batch)


async def test_an_expectation_needs_one_session(backend: Backend) -> None:
    """
    Events of two sessions have no latest number in common that could be expected.
    """
    batch = [event("evt_1"), event("evt_2", "ses_2")]
    with pytest.raises(ValidationError, match=r"^expected_sequence: .* 2$"):
        await backend.append_events(batch, expected_sequence=0)


def appended(events: Any) -> Call:
    """
    Make a call that appends what may be no batch.
    """
    return lambda backend: backend.append_events(events)


def flushed(result: Any) -> Call:
    """
    Make a call that flushes what may be no result.
    """
    return lambda backend: backend.flush(result)


REFUSED: list[tuple[Call, str]] = [
    (lambda b: b.get_session(""), "session_id: expected 1 to 255 characters"),
    (lambda b: b.get_session(WRONG), "session_id: expected text"),
    (lambda b: b.get_run(WRONG), "run_id: expected text"),
    (lambda b: b.save_session(WRONG), "session: expected a Session, got an object"),
    (lambda b: b.save_session(DELETED), "session: 'ses_1' has deleted_at"),
    (lambda b: b.save_run(WRONG), "run: expected a Run, got an object"),
    (appended(WRONG), "events: expected a list of events, got an object"),
    (appended("evt_1"), "events: expected a list of events, got a str"),
    (appended({}), "events: expected a list of events, got a dict"),
    (appended(NUMBERED), "events: expected a list of events, got an Event"),
    (appended([event(), RUN]), r"events\[1\]: expected an Event, got a Run"),
    (
        appended([event(), NUMBERED]),
        r"events\[1\]: 'evt_1' has the sequence number 7",
    ),
    (lambda b: b.append_event(WRONG), r"events\[0\]: expected an Event"),
    (
        lambda b: b.append_event_with_sequence(NUMBERED),
        r"events\[0\]: 'evt_1' has the sequence number 7",
    ),
    (flushed(SESSION), "result: expected an ExecutionResult, got a Session"),
    (
        flushed(attrs.evolve(RESULT, session=DELETED)),
        r"result\.session: 'ses_1' has deleted_at",
    ),
    (
        lambda b: b.commit(WRONG),
        "changes: expected Changes, got an object",
    ),
    (
        lambda b: b.commit(Changes(create_session=DELETED)),
        r"changes\.create_session: 'ses_1' has deleted_at",
    ),
    (
        lambda b: b.commit(Changes(runs=(RUN,), events=(NUMBERED,))),
        r"changes\.events\[0\]: 'evt_1' has the sequence number 7",
    ),
    (
        lambda b: b.commit(CHANGES, expected_revisions={"run_1": -1}),
        r"expected_revisions\['run_1'\]: the number is not within",
    ),
    (
        lambda b: b.commit(CHANGES, expected_revisions=WRONG),
        "expected_revisions: expected a mapping, got an object",
    ),
    (
        lambda b: b.commit(Changes(runs=(RUN,)), expected_revision=1),
        "expected_revision: it is for a session, and changes has none",
    ),
    (
        lambda b: b.commit(Changes(create_session=SESSION), expected_tenant="another"),
        r"changes\.create_session\.tenant_id: expected 'another'",
    ),
    (
        flushed(attrs.evolve(RESULT, events=(NUMBERED,))),
        r"result\.events\[0\]: 'evt_1' has the sequence number 7",
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
async def test_what_may_not_be_written_is_refused(
    backend: Backend, call: Call, message: str
) -> None:
    """
    The message begins with the argument, and where in it the culprit stands.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        await call(backend)
    assert backend.handed_on == []
