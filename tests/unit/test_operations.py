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
    make_execution_result,
    make_run,
    make_session,
)

RESULT = make_execution_result()
EVENTLESS = make_execution_result(events=[])
NO_JSON = ("{}", "{}")


@pytest.mark.parametrize(
    ("operation", "is_repeatable"),
    [
        (AppendEvents((make_event(),), None, (NO_JSON,)), True),
        (AppendEvents((make_event(),), 0, (NO_JSON,)), True),
        (AppendEvents((), None, ()), True),
        (SaveSession(make_session(), None), False),
        (SaveSession(make_session(), 0), True),
        (SaveRun(make_run(), None), False),
        (SaveRun(make_run(), 3), True),
        (Flush(RESULT, None, ()), False),
        (Flush(RESULT, 0, ()), True),
        (Flush(EVENTLESS, None, ()), False),
        (Flush(EVENTLESS, 0, ()), False),
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
        (SaveSession(make_session(id="ses_3"), None), {"ses_3"}),
        (SaveRun(make_run(session_id="ses_4"), None), {"ses_4"}),
        (Flush(RESULT, None, ()), {"ses_1"}),
    ],
)
def test_an_operation_locks_the_sessions_that_it_writes(
    operation: Operation, session_ids: set[str]
) -> None:
    """
    The sessions of an operation are those whose rows it may change.
    """
    assert operation.session_ids == session_ids
