from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.ports.session_store_arguments import (
    EventFilter,
    RunFilter,
    SessionFilter,
    check_batch,
    check_execution_result,
    check_expected_revision,
    check_id,
    check_run,
    check_session,
)
from asm_async.values.event import Event, EventType
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
SESSION = Session.new(id="ses_1", agent_id="assistant", created_at=NOON)
RUN = Run.new(id="run_1", session_id="ses_1", started_at=NOON)
DELETED = attrs.evolve(SESSION, deleted_at=NOON)
RESULT = ExecutionResult(session=SESSION, run=RUN)

# A stand-in for every argument, since these functions see what the type checker cannot.
WRONG: Any = object()


def event(name: str = "evt_1", session_id: str = "ses_1") -> Event:
    """
    Make an event that may be appended.
    """
    return Event.new(
        id=name,
        type=EventType.MESSAGE_SENT,
        session_id=session_id,
        timestamp=NOON,
    )


NUMBERED = attrs.evolve(event(), sequence_number=7)


def test_what_may_be_written_comes_back_as_it_is() -> None:
    """
    A session, a run, an execution's result and an id that are right are not changed.
    """
    assert check_session(SESSION) == SESSION
    assert check_run(RUN) == RUN
    result = attrs.evolve(RESULT, provider_metadata={"model": "m"})
    assert check_execution_result(result, None) == (result, None)
    assert check_id("ses_1", "session_id") == "ses_1"


def test_what_is_to_be_written_is_copied() -> None:
    """
    Nobody who holds the value given can change the one that is written.

    An append's events are left to the adapter, which encodes or copies them at once.
    """
    result = ExecutionResult(session=SESSION, run=RUN, events=(event(),))
    checked, _ = check_execution_result(result, None)
    assert check_session(SESSION).metadata is not SESSION.metadata
    assert check_run(RUN).metadata is not RUN.metadata
    assert checked.session.metadata is not SESSION.metadata
    assert checked.run.metadata is not RUN.metadata
    assert checked.events[0].data is not result.events[0].data


def test_json_that_was_spoilt_is_refused_with_its_path() -> None:
    """
    What is no JSON any more is named by argument, field and place in it.
    """
    spoilt = event("evt_2")
    spoilt.data["steps"] = [math.nan]
    result = ExecutionResult(session=SESSION, run=RUN, events=(event(), spoilt))
    with pytest.raises(
        ValidationError, match=r"^events\[0\]\.data\['steps'\]\[0\]: nan"
    ):
        check_batch([spoilt], None)
    with pytest.raises(ValidationError, match=r"^result\.events\[1\]\.data\['steps'\]"):
        check_execution_result(result, None)
    session = attrs.evolve(SESSION)
    session.context["limit"] = math.inf
    with pytest.raises(ValidationError, match=r"^session\.context\['limit'\]: inf"):
        check_session(session)
    result = attrs.evolve(RESULT, provider_metadata={})
    result.provider_metadata["model"] = b"m"
    with pytest.raises(ValidationError, match=r"^result\.provider_metadata\['model'\]"):
        check_execution_result(result, None)


@pytest.mark.parametrize("expected", [None, 0, 2**53 - 1])
def test_an_expectation_is_none_or_a_count(expected: int | None) -> None:
    """
    None, 0 and the largest number may be expected, of revisions and of numbers.
    """
    assert check_expected_revision(expected) == expected
    assert check_batch([event()], expected) == ((event(),), expected)
    assert check_execution_result(RESULT, expected) == (RESULT, expected)


@pytest.mark.parametrize("expected", [-1, 2**53, True, 1.0, "1"])
def test_another_expectation_is_refused(expected: object) -> None:
    """
    A negative, a huge, a boolean and a number of another type are no expectation.
    """
    with pytest.raises(ValidationError, match=r"^expected_revision: "):
        check_expected_revision(expected)
    with pytest.raises(ValidationError, match=r"^expected_sequence: "):
        check_batch([event()], expected)
    with pytest.raises(ValidationError, match=r"^expected_sequence: "):
        check_execution_result(RESULT, expected)


def test_a_batch_keeps_its_order() -> None:
    """
    Any iterable is a batch and is read once, in its order; nothing is one too.
    """
    batch = [event("evt_2"), event("evt_1"), event("evt_1", "ses_2")]
    assert check_batch(iter(batch), None) == (tuple(batch), None)
    assert check_batch([], 5) == ((), 5)


def test_a_batch_is_bounded_in_its_sessions() -> None:
    """
    As many sessions as the port says are accepted, and one more is refused.
    """
    batch = [event(session_id=f"ses_{n}") for n in range(MAX_SESSIONS_PER_BATCH + 1)]
    check_batch(batch[1:], None)
    with pytest.raises(ValidationError, match=r"^events: .*1001 sessions"):
        check_batch(batch, None)


def test_an_expectation_needs_one_session() -> None:
    """
    Events of two sessions have no latest number in common that could be expected.
    """
    batch = [event("evt_1"), event("evt_2", "ses_2")]
    with pytest.raises(ValidationError, match=r"^expected_sequence: .* 2$"):
        check_batch(batch, 0)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (partial(check_id, "", "run_id"), "run_id: expected 1 to 255 characters"),
        (partial(check_id, WRONG, "run_id"), "run_id: expected text"),
        (partial(check_session, WRONG), "session: expected a Session, got a object"),
        (partial(check_session, DELETED), "session: 'ses_1' carries deleted_at"),
        (partial(check_run, SESSION), "run: expected a Run, got a Session"),
        (partial(check_batch, WRONG, None), "events: expected a list of events"),
        (partial(check_batch, "evt_1", None), "events: expected a list of events"),
        (partial(check_batch, {}, None), "events: expected a list of events"),
        (partial(check_batch, NUMBERED, None), "events: expected a list of events"),
        (
            partial(check_batch, [event(), RUN], None),
            r"events\[1\]: expected an Event, got a Run",
        ),
        (
            partial(check_batch, [event(), NUMBERED], None),
            r"events\[1\]: 'evt_1' carries the sequence number 7",
        ),
        (
            partial(check_execution_result, SESSION, None),
            "result: expected an ExecutionResult, got a Session",
        ),
        (
            partial(check_execution_result, attrs.evolve(RESULT, session=DELETED), 0),
            r"result\.session: 'ses_1' carries deleted_at",
        ),
        (
            partial(
                check_execution_result, attrs.evolve(RESULT, events=(NUMBERED,)), 0
            ),
            r"result\.events\[0\]: 'evt_1' carries the sequence number 7",
        ),
    ],
)
def test_what_may_not_be_written_is_refused(
    check: Callable[[], object], message: str
) -> None:
    """
    The message begins with the argument, and where in it the culprit stands.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        check()


def test_a_filter_lets_everything_through_unless_told() -> None:
    """
    Without arguments nothing is filtered but the soft-deleted, and nothing is cut off.
    """
    assert attrs.asdict(SessionFilter()) == {
        "status": None,
        "agent_id": None,
        "tenant_id": None,
        "include_deleted": False,
        "limit": None,
        "offset": 0,
    }
    assert set(attrs.astuple(RunFilter())) == {None}
    assert set(attrs.astuple(EventFilter())) == {None}


def test_a_filter_holds_its_arguments_in_normal_form() -> None:
    """
    Stored strings become enumeration members, and times are moved to UTC.
    """
    status: Any = "active"
    assert SessionFilter(status=status).status is SessionStatus.ACTIVE
    status = "running"
    assert RunFilter(status=status).status is RunStatus.RUNNING
    east = timezone(timedelta(hours=5))
    events = EventFilter(type="message_sent", since=NOON.astimezone(east))
    assert events.type is EventType.MESSAGE_SENT
    assert repr(events.since) == repr(NOON)
    assert EventFilter(type="myapp.noticed").type == "myapp.noticed"


COUNTS: list[tuple[type[Any], str]] = [
    (SessionFilter, "limit"),
    (SessionFilter, "offset"),
    (RunFilter, "limit"),
    (EventFilter, "after"),
    (EventFilter, "before"),
    (EventFilter, "limit"),
    (EventFilter, "last"),
]


@pytest.mark.parametrize(("kind", "name"), COUNTS)
@pytest.mark.parametrize("bound", [0, 2**53 - 1])
def test_a_count_may_be_anything_within_its_bounds(
    kind: type[Any], name: str, bound: int
) -> None:
    """
    Every limit, offset and sequence number may be 0 or as large as numbers get.
    """
    assert getattr(kind(**{name: bound}), name) == bound


@pytest.mark.parametrize(("kind", "name"), COUNTS)
@pytest.mark.parametrize("wrong", [-1, 2**53, True, 1.0, "1"])
def test_a_count_out_of_bounds_is_refused(
    kind: type[Any], name: str, wrong: object
) -> None:
    """
    A negative, a huge, a boolean and a number of another type are refused by name.
    """
    with pytest.raises(ValidationError, match=f"^{name}: "):
        kind(**{name: wrong})


@pytest.mark.parametrize(
    ("kind", "name", "wrong"),
    [
        (SessionFilter, "status", "running"),
        (SessionFilter, "agent_id", ""),
        (SessionFilter, "tenant_id", 7),
        (SessionFilter, "include_deleted", None),
        (SessionFilter, "include_deleted", 1),
        (SessionFilter, "offset", None),
        (RunFilter, "status", "active"),
        (EventFilter, "run_id", "a\0b"),
        (EventFilter, "type", "undotted"),
        (EventFilter, "type", "asm.reserved"),
        (EventFilter, "since", datetime(2025, 3, 1, 12)),  # noqa: DTZ001 - naive
        (EventFilter, "since", "2025-03-01"),
    ],
)
def test_what_cannot_be_filtered_by_is_refused(
    kind: type[Any], name: str, wrong: object
) -> None:
    """
    A filter that no stored value could meet by its form is refused by name.
    """
    with pytest.raises(ValidationError, match=f"^{name}: "):
        kind(**{name: wrong})


def test_limit_and_last_exclude_each_other() -> None:
    """
    The first and the last so many cannot be asked for at once.
    """
    with pytest.raises(ValidationError, match=r"^limit: .* last"):
        EventFilter(limit=1, last=1)


@pytest.mark.parametrize("seconds", [None, 0, 0.25, 3, 1e300])
def test_a_wait_is_none_or_a_number_of_seconds(seconds: float | None) -> None:
    """
    Whole and broken numbers of seconds are accepted, however many.
    """
    assert EventFilter(wait_timeout=seconds).wait_timeout == seconds


@pytest.mark.parametrize(
    "seconds",
    [
        -1,
        -0.5,
        math.nan,
        math.inf,
        pytest.param(10**400, id="beyond floats"),
        pytest.param(-(10**400), id="beyond negative floats"),
        True,
        "1",
    ],
)
def test_another_wait_is_refused(seconds: Any) -> None:
    """
    A wait is neither negative nor endless, and is a number.
    """
    with pytest.raises(ValidationError, match=r"^wait_timeout: "):
        EventFilter(wait_timeout=seconds)


@pytest.mark.parametrize("name", ["limit", "last"])
def test_nobody_waits_for_nothing(name: str) -> None:
    """
    Where no event is asked for there is nothing to wait for.
    """
    wanted: dict[str, Any] = {name: 0, "wait_timeout": 60}
    assert EventFilter(**wanted).wait_timeout is None
