from __future__ import annotations

import pytest

from asm_async.sql.writes.operations import (
    AppendEvents,
    Flush,
    Operation,
    SaveRun,
    SaveSession,
)
from asm_async.testing.factories import (
    make_event,
    make_run,
    make_session,
)
from asm_async.values.event import Event

NO_JSON = ("{}", "{}")


def flushing(events: tuple[Event, ...], expected_sequence: int | None) -> Flush:
    """
    Make a flush of *events*.
    """
    texts = (NO_JSON,) * len(events)
    return Flush(make_session(), make_run(), events, expected_sequence, texts)


@pytest.mark.parametrize(
    ("operation", "is_repeatable"),
    [
        (AppendEvents((make_event(),), None, (NO_JSON,)), True),
        (AppendEvents((make_event(),), 0, (NO_JSON,)), True),
        (AppendEvents((), None, ()), True),
        (SaveSession(make_session(), expected_revision=None), False),
        (SaveSession(make_session(), expected_revision=0), True),
        (SaveRun(make_run(), expected_revision=None), False),
        (SaveRun(make_run(), expected_revision=3), True),
        (flushing((make_event(),), None), False),
        (flushing((make_event(),), 0), True),
        (flushing((), None), False),
        (flushing((), 0), False),
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
        (SaveSession(make_session(id="ses_3"), expected_revision=None), {"ses_3"}),
        (SaveRun(make_run(session_id="ses_4"), expected_revision=None), {"ses_4"}),
        (flushing((make_event(),), None), {"ses_1"}),
    ],
)
def test_an_operation_locks_the_sessions_that_it_writes(
    operation: Operation, session_ids: set[str]
) -> None:
    """
    The sessions of an operation are those whose rows it may change.
    """
    assert operation.session_ids == session_ids
