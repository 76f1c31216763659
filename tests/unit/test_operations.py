from __future__ import annotations

import pytest

from asm_async.fronts.expectations import Expectations
from asm_async.sql.writes.operations import (
    AppendEvents,
    Flush,
    Operation,
    SaveRun,
    SaveSession,
)
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult

NO_JSON = ("{}", "{}")


def flushing(events: tuple[Event, ...], expected_sequence: int | None) -> Flush:
    """
    Make a flush of *events*.
    """
    return flush_of(make_execution_result(events=events), expected_sequence)


def flush_of(
    result: ExecutionResult,
    expected_sequence: int | None = None,
    expected_revision: int | None = None,
) -> Flush:
    """
    Make a flush of *result*.
    """
    expected = Expectations(
        expected_sequence=expected_sequence, expected_revision=expected_revision
    )
    texts = (NO_JSON,) * len(result.events)
    parts = result.session_id, result.session, result.run, result.events, texts
    return Flush(*parts, expected=expected)


ANY = Expectations()
EVENTS_ALONE = ExecutionResult(events=(make_event(),))
RUN_ALONE = ExecutionResult(run=make_run())


@pytest.mark.parametrize(
    ("operation", "is_repeatable"),
    [
        (AppendEvents((make_event(),), None, (NO_JSON,)), True),
        (AppendEvents((make_event(),), 0, (NO_JSON,)), True),
        (AppendEvents((), None, ()), True),
        (SaveSession(make_session(), expected=ANY), False),
        (SaveSession(make_session(), expected=Expectations(expected_revision=0)), True),
        (SaveRun(make_run(), expected=ANY), False),
        (SaveRun(make_run(), expected=Expectations(expected_revision=3)), True),
        (flushing((make_event(),), None), False),
        (flushing((make_event(),), 0), True),
        (flushing((), None), False),
        (flushing((), 0), False),
        (flush_of(make_execution_result(), expected_revision=1), True),
        (flush_of(EVENTS_ALONE), True),
        (flush_of(RUN_ALONE), False),
    ],
)
def test_only_what_can_be_recognised_is_repeatable(
    operation: Operation, *, is_repeatable: bool
) -> None:
    """
    After an unknown commit only an operation that can recognise itself is repeated.
    """
    assert operation.is_repeatable is is_repeatable


@pytest.mark.parametrize(
    ("operation", "session_ids"),
    [
        (AppendEvents((), None, ()), set[str]()),
        (
            AppendEvents(
                (make_event(), make_event(session_id="ses_2")),
                None,
                (NO_JSON, NO_JSON),
            ),
            {"ses_1", "ses_2"},
        ),
        (SaveSession(make_session(id="ses_3"), expected=ANY), {"ses_3"}),
        (SaveRun(make_run(session_id="ses_4"), expected=ANY), {"ses_4"}),
        (flushing((make_event(),), None), {"ses_1"}),
        (flush_of(EVENTS_ALONE), {"ses_1"}),
        (flush_of(RUN_ALONE), {"ses_1"}),
    ],
)
def test_an_operation_locks_the_sessions_that_it_writes(
    operation: Operation, session_ids: set[str]
) -> None:
    """
    The sessions of an operation are those whose rows it may change.
    """
    assert operation.session_ids == session_ids
