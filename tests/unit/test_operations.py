from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import checked_changes
from asm_async.sql.writes.append_plan import AppendEvents
from asm_async.sql.writes.operations import Commit, Operation
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.changes import Changes
from asm_async.values.state_item import StateItem

NO_JSON = ("{}", "{}")


def commit(changes: Changes, **expectations: Any) -> Commit:
    """
    Make a commit of *changes*.
    """
    texts = (NO_JSON,) * len(changes.events)
    expected = Expectations(**expectations)
    checked = checked_changes(changes, expected)
    return Commit(checked, expected, changes.events, texts)


SESSION, RUN, EVENTS = make_session(), make_run(), (make_event(),)
EVENTS_ALONE = Changes(events=EVENTS)
ALL = Changes(session=SESSION, runs=(RUN,), events=EVENTS)
VALUES = Changes(session=SESSION, runs=(RUN,))
OTHER_RUN = {"run_2": 1}
RUN_2 = make_run(id="run_2")
ITEM = StateItem(scope="notes", key="a", session_id="ses_5")
NAME = ("notes", "a")


@pytest.mark.parametrize(
    ("operation", "is_repeatable"),
    [
        (AppendEvents((make_event(),), None, (NO_JSON,)), True),
        (AppendEvents((make_event(),), 0, (NO_JSON,)), True),
        (AppendEvents((), None, ()), True),
        (commit(Changes(session=SESSION)), False),
        (commit(Changes(session=SESSION), expected_revision=0), True),
        (commit(Changes(runs=(RUN,))), False),
        (commit(Changes(runs=(RUN,)), expected_revisions={"run_1": 3}), True),
        (commit(Changes(runs=(RUN,)), expected_revisions=OTHER_RUN), False),
        (commit(ALL), False),
        (commit(ALL, expected_sequence=0), True),
        (commit(VALUES), False),
        (commit(VALUES, expected_sequence=0), False),
        (commit(ALL, expected_revision=1), True),
        (commit(EVENTS_ALONE), True),
        (commit(EVENTS_ALONE, expected_revisions=OTHER_RUN), True),
        (commit(Changes(create_session=SESSION, events=EVENTS)), True),
        (commit(Changes(events=EVENTS, items=(ITEM,))), False),
        (commit(Changes(items=(ITEM,)), expected_revisions={NAME: 0}), True),
        (commit(Changes(removed_items=(NAME,))), False),
        (commit(Changes(removed_items=(NAME,)), expected_revisions={NAME: 2}), True),
        (commit(Changes(items=(ITEM,)), expected_revisions=OTHER_RUN), False),
        (commit(EVENTS_ALONE, expected_revisions={NAME: 0}), True),
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
        (commit(Changes(session=make_session(id="ses_3"))), {"ses_3"}),
        (commit(Changes(runs=(make_run(session_id="ses_4"),))), {"ses_4"}),
        (commit(ALL), {"ses_1"}),
        (commit(EVENTS_ALONE), {"ses_1"}),
        (commit(Changes(events=EVENTS, items=(ITEM,))), {"ses_1", "ses_5"}),
        (commit(Changes(removed_items=(NAME,))), set[str]()),
    ],
)
def test_an_operation_locks_the_sessions_that_it_writes(
    operation: Operation, session_ids: set[str]
) -> None:
    """
    The sessions of an operation are those whose rows it may change.
    """
    assert operation.session_ids == session_ids


def test_a_commit_locks_the_scopes_of_its_items() -> None:
    """
    Those of what it saves, removes or looks at, beside its sessions.
    """
    operation = commit(
        Changes(events=EVENTS, items=(ITEM,), removed_items=(("gone", "a"),)),
        expected_revisions={("seen", "a"): 1, "run_1": 1},
    )
    assert operation.locks == {"ses_1", "ses_5", "\0notes", "\0gone", "\0seen"}
    assert operation.partition_key == "ses_1"
    alone = commit(Changes(items=(ITEM,), removed_items=(("gone", "a"),)))
    assert alone.partition_key == "\0gone"


CHANGES_OF_TEXT: dict[str, Callable[[str], Changes]] = {
    "context": lambda text: Changes(session=make_session(context={"a": text})),
    "metadata": lambda text: Changes(session=make_session(metadata={"a": text})),
    "created": lambda text: Changes(create_session=make_session(context={"a": text})),
    "output": lambda text: Changes(runs=(make_run(), attrs.evolve(RUN_2, output=text))),
    "item": lambda text: Changes(items=(attrs.evolve(ITEM, data=text),)),
}


@pytest.mark.parametrize("name", CHANGES_OF_TEXT)
def test_a_commit_is_as_large_as_the_json_in_it(name: str) -> None:
    """
    A group takes no more once it is large, so that others need not wait for all of it.
    """
    changes = CHANGES_OF_TEXT[name]
    small, large = commit(changes("")), commit(changes("x" * 100_000))

    assert large.size - small.size == 100_000
