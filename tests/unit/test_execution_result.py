from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
)
from asm_async.values.execution_result import ExecutionResult

# What is changed, and the message with which that is refused.
WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"session": None, "run": None, "events": ()},
        "session: expected a session, a run or an event",
    ),
    (
        {"run": None, "provider_metadata": {"model": "m"}},
        "provider_metadata: needs a run",
    ),
    (
        {"session": None, "events": [make_event(session_id="ses_2")]},
        "events[0]: 'evt_1' belongs to session 'ses_2', not to 'ses_1'",
    ),
    ({"session": make_run()}, "session: expected a Session, got a Run"),
    ({"run": make_session()}, "run: expected a Run, got a Session"),
    ({"run": {}}, "run: expected a Run, got a dict"),
    ({"events": None}, "events: expected a list, got a NoneType"),
    ({"events": make_event()}, "events: expected a list, got an Event"),
    ({"events": {"a": make_event()}}, "events: expected a list, got a dict"),
    ({"events": [make_event(), {}]}, "events[1]: expected an Event, got a dict"),
    (
        {"provider_metadata": None},
        "provider_metadata: expected a JSON object, got a NoneType",
    ),
    (
        {"provider_metadata": {"a": [b""]}},
        "provider_metadata['a'][0]: a bytes is not JSON",
    ),
    (
        {"run": make_run(session_id="ses_2")},
        "run: 'run_1' belongs to session 'ses_2', not to 'ses_1'",
    ),
    (
        {"session": make_session(id="ses_3")},
        "run: 'run_1' belongs to session 'ses_1', not to 'ses_3'",
    ),
    (
        {"events": [make_event(), make_event(id="evt_2", session_id="ses_2")]},
        "events[1]: 'evt_2' belongs to session 'ses_2', not to 'ses_1'",
    ),
]


def test_a_result_holds_what_it_is_given() -> None:
    """
    Session, run and events are held as they are.
    """
    session, run, events = make_session(), make_run(), tuple(make_events(2))
    result = ExecutionResult(session=session, run=run, events=events)

    assert (result.session, result.run, result.events) == (session, run, events)
    assert result.provider_metadata == {}


def test_all_parts_are_optional() -> None:
    """
    A result may have no session, no run or neither; what is left says whose it is.
    """
    event = make_event(session_id="ses_7")
    without_session = ExecutionResult(run=make_run(), events=(make_event(),))
    events_alone = ExecutionResult(events=(event,))

    assert (without_session.session, without_session.session_id) == (None, "ses_1")
    assert (events_alone.run, events_alone.session_id) == (None, "ses_7")
    assert ExecutionResult(session=make_session(id="ses_8")).session_id == "ses_8"


def test_events_are_optional() -> None:
    """
    A run may leave no events behind.
    """
    result = ExecutionResult(session=make_session(), run=make_run())

    assert (result.events, result.provider_metadata) == ((), {})


@pytest.mark.parametrize("events", [(), [], iter(())], ids=["tuple", "list", "iter"])
def test_any_iterable_of_events_will_do(events: object) -> None:
    """
    Events may come in a list, a tuple or from an iterator.
    """
    assert make_execution_result(events=events).events == ()


@pytest.mark.parametrize(("change", "message"), WRONG, ids=range(len(WRONG)))
def test_what_does_not_belong_is_refused(change: dict[str, Any], message: str) -> None:
    """
    Each part is of its class and belongs to the session, or is named.
    """
    with pytest.raises(ValidationError) as caught:
        make_execution_result(**change)

    # Of what is not JSON it also says how to convert it.
    assert str(caught.value).partition("; convert it")[0] == message


def test_an_event_may_belong_to_no_run_or_another() -> None:
    """
    Only the session binds the events of a result.
    """
    events = (make_event(), make_event(id="evt_2", run_id="run_9"))

    assert make_execution_result(events=events).events == events


def test_what_the_provider_reported_is_laid_over_the_runs_own() -> None:
    """
    The run holds both, the result's report winning; neither given value is changed.
    """
    run = make_run(provider_metadata={"model": "old", "region": "eu"})
    report = {"model": "new", "request": ("r", 1)}
    result = make_execution_result(run=run, provider_metadata=report)
    report["model"] = "later"

    assert result.provider_metadata == {"model": "new", "request": ["r", 1]}
    assert run_of(result).provider_metadata == {
        "model": "new",
        "region": "eu",
        "request": ["r", 1],
    }
    assert run_of(result).model == "new"
    assert run.model == "old"


def test_laying_over_twice_changes_nothing_more() -> None:
    """
    A result made anew of a result's parts is equal to it.
    """
    result = make_execution_result(provider_metadata={"model": "m"})

    assert attrs.evolve(result) == result


def test_without_a_report_the_run_stays_as_it_is() -> None:
    """
    Where the provider reported nothing, the run is held as it was given.
    """
    run = make_run(provider_metadata={"model": "m"})

    assert make_execution_result(run=run).run is run


def test_a_result_is_frozen() -> None:
    """
    No field can be set, and a misspelt one is a TypeError.
    """
    result = make_execution_result()
    set_field: Callable[[str, object], None] = result.__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("run", make_run())
    with pytest.raises(TypeError, match="event"):
        make_execution_result(event=make_event())


def test_equal_results_have_equal_hashes() -> None:
    """
    Results are equal by all their fields, and can be copied and pickled.
    """
    result = make_execution_result(provider_metadata={"model": "m"})
    twin = make_execution_result(provider_metadata={"model": "m"})

    assert len({result, twin, attrs.evolve(result, events=())}) == 2
    assert copy.deepcopy(result) == result
    assert pickle.loads(pickle.dumps(result)) == result  # noqa: S301 - our own bytes
