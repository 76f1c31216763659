from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import NOON, make_run
from asm_async.values.run import Run, RunStatus

LATER = NOON + timedelta(hours=1)
PARIS = timezone(timedelta(hours=1))

ALL_FIELDS: dict[str, Any] = {
    "id": "run_7",
    "session_id": "ses_7",
    "status": RunStatus.FAILED,
    "started_at": NOON,
    "ended_at": LATER,
    "input": [{"role": "user"}],
    "output": "\0\ud800",
    "error": {"code": 500},
    "metadata": {"a": [1, 2.5, None]},
    "turn_count": 4,
    "token_usage": {"input_tokens": 5, "cached": 0.5},
    "provider": "acme",
    "provider_metadata": {"model": "large"},
    "cost_usd": 0.25,
    "revision": 3,
}
REQUIRED = ["id", "session_id", "status", "started_at"]


def test_a_plain_constructor_takes_every_field() -> None:
    """
    What is given is what is held.
    """
    run = Run(**ALL_FIELDS)

    assert {name: getattr(run, name) for name in ALL_FIELDS} == ALL_FIELDS
    assert {field.name for field in attrs.fields(Run)} == set(ALL_FIELDS)


def test_optional_fields_have_defaults() -> None:
    """
    Four fields are required; the others are empty, or not there.
    """
    run = Run(**{name: ALL_FIELDS[name] for name in REQUIRED})

    assert (run.ended_at, run.input, run.output, run.error) == (None,) * 4
    assert (run.metadata, run.token_usage, run.provider_metadata) == ({}, {}, {})
    assert (run.provider, run.cost_usd) == (None, None)
    assert (run.turn_count, run.revision) == (0, 0)


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields_have_none(name: str) -> None:
    """
    The plain constructor makes up no id and reads no clock.
    """
    with pytest.raises(TypeError, match=name):
        Run(**{key: ALL_FIELDS[key] for key in REQUIRED if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("session_id", "a" * 256),
        ("status", "paused"),
        ("started_at", datetime(2026, 1, 2)),  # noqa: DTZ001 - the point
        ("ended_at", "2026-01-02"),
        ("input", {"a": b""}),
        ("output", math.nan),
        ("error", "out of memory"),
        ("error", {"a": object()}),
        ("metadata", None),
        ("turn_count", -1),
        ("turn_count", 1.0),
        ("token_usage", []),
        ("provider", "\0"),
        ("provider_metadata", [1]),
        ("cost_usd", -0.01),
        ("cost_usd", math.inf),
        ("cost_usd", "free"),
        ("revision", 2**53),
    ],
    ids=range(19),
)
def test_a_wrong_field_is_named(name: str, value: object) -> None:
    """
    Each field is checked when the value is made, and the message begins with its name.
    """
    with pytest.raises(ValidationError, match=rf"^{name}\b"):
        make_run(**{name: value})


@pytest.mark.parametrize("key", ["input_tokens", "output_tokens", "total_tokens"])
@pytest.mark.parametrize("value", [-1, 2**53, 1.0, None, "1", True], ids=repr)
def test_the_three_token_counts_are_whole_numbers(key: str, value: object) -> None:
    """
    What usage summaries add up must be a count, and is named if it is none.
    """
    with pytest.raises(ValidationError, match=rf"^token_usage\['{key}'\]: "):
        make_run(token_usage={key: value})


def test_other_token_counts_are_the_applications() -> None:
    """
    The bounds hold for the three known counts alone.
    """
    usage = {"total_tokens": 2**53 - 1, "cached_tokens": -1.5, "details": None}

    assert make_run(token_usage=usage).token_usage == usage


def test_fields_become_normal() -> None:
    """
    Times are moved to UTC, JSON becomes plain, a status may be its text.
    """
    run = make_run(
        status="running",
        started_at=NOON.astimezone(PARIS),
        ended_at=NOON.astimezone(PARIS),
        input=("a", RunStatus.RUNNING),
        cost_usd=-0.0,
    )

    assert run.status is RunStatus.RUNNING
    assert run.started_at == run.ended_at == NOON
    assert run.started_at.tzinfo is UTC
    assert run.input == ["a", "running"]
    assert (type(run.cost_usd), str(run.cost_usd)) == (float, "0.0")


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, "text", 2**64, -0.0])
def test_input_and_output_are_any_json(value: object) -> None:
    """
    They need not be objects, and what is empty differs from what is not there.
    """
    run = make_run(input=value, output=value)

    assert run.input == run.output == value
    assert type(run.input) is type(run.output) is type(value)


def test_the_callers_objects_are_copied() -> None:
    """
    What the caller does to its objects afterwards does not change the value.
    """
    given: dict[str, Any] = {"list": []}
    names = ("input", "output", "error", "metadata", "token_usage", "provider_metadata")
    run = make_run(**dict.fromkeys(names, given))
    given["list"].append(1)

    assert [getattr(run, name) for name in names] == [{"list": []}] * len(names)


def test_a_run_is_frozen() -> None:
    """
    No field can be set, and a misspelt one is a TypeError.
    """
    run = make_run()
    set_field: Callable[[str, object], None] = run.__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("status", "running")
    with pytest.raises(TypeError, match="vendor"):
        make_run(vendor="acme")


def test_equal_runs_have_equal_hashes() -> None:
    """
    Runs are equal by all their fields, and can stand in sets though they hold JSON.
    """
    run = Run(**ALL_FIELDS)

    assert len({run, Run(**ALL_FIELDS), attrs.evolve(run, turn_count=5)}) == 2
    assert run != attrs.evolve(run, input=None)
    assert copy.deepcopy(run) == run
    assert pickle.loads(pickle.dumps(run)) == run  # noqa: S301 - our own bytes


def test_the_same_content_means_all_but_the_revision() -> None:
    """
    The revision counts for nothing; 1 and True, equal to Python, are stored otherwise.
    """
    run = make_run(input=1)

    assert run.has_same_content(attrs.evolve(run, revision=9))
    assert not run.has_same_content(attrs.evolve(run, turn_count=1))
    assert not run.has_same_content(make_run(input=True))


def test_new_mints_an_id_and_reads_the_clock() -> None:
    """
    A new run is pending and starts just now.
    """
    before = datetime.now(UTC)
    run = Run.new(session_id="ses_1")
    after = datetime.now(UTC)

    assert run.id.startswith("run_")
    assert run.status is RunStatus.PENDING
    assert before <= run.started_at <= after
    assert Run.new(session_id="ses_1").id != run.id


def test_new_takes_what_it_is_given() -> None:
    """
    A caller may bring its own id and time, and what is known at the beginning.
    """
    names = ("id", "session_id", "input", "metadata", "provider", "provider_metadata")
    given = {name: ALL_FIELDS[name] for name in (*names, "started_at")}

    assert Run.new(**given) == Run(status=RunStatus.PENDING, **given)


@pytest.mark.parametrize(
    ("metadata", "model"),
    [
        ({"model": "large"}, "large"),
        ({}, None),
        ({"model": None}, None),
        ({"model": 4}, None),
        ({"model": ""}, None),
        ({"model": "a" * 256}, None),
        ({"model": "\0"}, None),
    ],
    ids=range(7),
)
def test_the_model_is_one_fit_to_search_by(
    metadata: dict[str, Any], model: str | None
) -> None:
    """
    Where the provider tells no model, or none that a text field holds, there is none.
    """
    assert make_run(provider_metadata=metadata).model == model


def test_to_dict_gives_plain_json() -> None:
    """
    Times become ISO 8601 text with microseconds and offset; both ways change nothing.
    """
    run = Run(**ALL_FIELDS)
    given = run.to_dict()

    assert given == ALL_FIELDS | {
        "status": "failed",
        "started_at": "2026-01-02T12:00:00.000000+00:00",
        "ended_at": "2026-01-02T13:00:00.000000+00:00",
    }
    assert Run.from_dict(given) == run


def test_from_dict_fills_in_what_is_optional() -> None:
    """
    A missing optional field takes its default; a missing required one is refused.
    """
    required = {name: make_run().to_dict()[name] for name in REQUIRED}

    assert Run.from_dict(required) == make_run()
    for name in REQUIRED:
        rest = {key: value for key, value in required.items() if key != name}
        with pytest.raises(ValidationError, match=f"^{name}: this required field is"):
            Run.from_dict(rest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "^'colour': there is no field of this name$"),
        ({"ended_at": "noon"}, "^ended_at: 'noon' is not an ISO 8601 time$"),
        ({"cost_usd": "1"}, "^cost_usd: expected a number, got a str$"),
    ],
    ids=range(3),
)
def test_from_dict_refuses_what_is_wrong(change: dict[str, Any], message: str) -> None:
    """
    An unknown field, a time that is none, or a bad value is refused by name.
    """
    with pytest.raises(ValidationError, match=message):
        Run.from_dict(make_run().to_dict() | change)
