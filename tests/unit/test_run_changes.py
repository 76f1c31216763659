from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from asm_async.errors import InvalidTransitionError, ValidationError
from asm_async.testing.factories import NOON, make_run
from asm_async.values.run import RunStatus

LATER = NOON + timedelta(hours=1)

# What each status may become, beside itself.
ENDS = {"completed", "failed", "cancelled", "timeout"}
MAY_BECOME = {
    "pending": {"running"} | ENDS,
    "running": ENDS,
    "completed": set[str](),
    "failed": set[str](),
    "cancelled": set[str](),
    "timeout": set[str](),
}
STATUSES = list(RunStatus)


@pytest.mark.parametrize("wanted", STATUSES, ids=str)
@pytest.mark.parametrize("current", STATUSES, ids=str)
def test_a_status_changes_as_the_machine_says(
    current: RunStatus, wanted: RunStatus
) -> None:
    """
    Of all pairs exactly those of the status machine are allowed; an end has its time.
    """
    run = make_run(status=current)
    if wanted is current:
        assert run.update_status(wanted, at=LATER) is run
    elif wanted in MAY_BECOME[current]:
        ended_at = LATER if wanted in ENDS else None
        changed = run.update_status(wanted, at=LATER)
        assert changed == attrs.evolve(run, status=wanted, ended_at=ended_at)
    else:
        with pytest.raises(InvalidTransitionError) as caught:
            run.update_status(wanted, at=LATER)
        assert caught.value.args == ("run 'run_1'", current.value, wanted.value)
    assert run.status is current


@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_what_is_over_can_become_nothing_else(status: RunStatus) -> None:
    """
    A status is over when nothing may follow it.
    """
    assert status.is_over is (not MAY_BECOME[status])


def test_an_end_takes_the_present_time() -> None:
    """
    Unless a time is given, the clock is read.
    """
    before = datetime.now(UTC)
    ended_at = make_run().update_status(RunStatus.TIMEOUT).ended_at

    assert ended_at is not None
    assert before <= ended_at <= datetime.now(UTC)


def test_an_unknown_status_is_refused() -> None:
    """
    A text that is no status is no change of status either.
    """
    unknown: Any = "gone"
    with pytest.raises(ValidationError, match=r"^status: 'gone' is not one of pending"):
        make_run().update_status(unknown)


def test_an_output_completes_a_run() -> None:
    """
    The output and the end are set together; a later output replaces the first.
    """
    run = make_run(status="running").complete(("done",), at=LATER)

    assert (run.status, run.output) == (RunStatus.COMPLETED, ["done"])
    assert run.ended_at == LATER
    assert run.complete(2).ended_at == LATER
    assert make_run().complete().output is None
    assert make_run().set_output(1, at=LATER) == make_run().complete(1, at=LATER)
    with pytest.raises(InvalidTransitionError):
        make_run(status="failed").complete(1)


def test_an_error_fails_a_run() -> None:
    """
    The error and the end are set together, and the error is a JSON object.
    """
    run = make_run(status="running").fail({"code": 1}, at=LATER)
    no_object: Any = "broken"

    assert (run.status, run.error) == (RunStatus.FAILED, {"code": 1})
    assert run.ended_at == LATER
    with pytest.raises(InvalidTransitionError):
        make_run(status="completed").fail({})
    with pytest.raises(ValidationError, match=r"^error: expected a JSON object"):
        make_run().fail(no_object)
    error = {"code": 2}
    assert make_run().set_error(error, at=LATER) == make_run().fail(error, at=LATER)


def test_a_run_can_be_priced() -> None:
    """
    What it cost can be told when it is known, and be corrected.
    """
    assert make_run().set_cost(0.25).set_cost(0).cost_usd == 0
    with pytest.raises(ValidationError, match=r"^cost_usd: "):
        make_run().set_cost(-1)


def test_a_run_can_fall_back_to_another_provider() -> None:
    """
    The model comes along if it is given, and what else was reported stays.
    """
    run = make_run(provider="a", provider_metadata={"model": "m", "region": "eu"})

    assert run.set_provider("b").provider_metadata == run.provider_metadata
    other = run.set_provider("b", "n")
    assert (other.provider, other.model) == ("b", "n")
    assert other.provider_metadata == {"model": "n", "region": "eu"}
    for wrong, name in ((("",), "provider"), (("b", ""), "model")):
        with pytest.raises(ValidationError, match=f"^{name}: "):
            run.set_provider(*wrong)


def test_turns_are_counted() -> None:
    """
    Each turn counts one, up to the largest count.
    """
    assert make_run().increment_turn().increment_turn().turn_count == 2
    with pytest.raises(ValidationError, match=r"^turn_count"):
        make_run(turn_count=2**53 - 1).increment_turn()


def test_token_usage_adds_up() -> None:
    """
    Numbers are summed, new keys added; what is no number on either side is replaced.

    But None, with which providers say that they do not tell, adds nothing.
    """
    known = {"input_tokens": 1, "rate": 0.5, "tier": "a", "ok": True, "was": 1}
    more = {"input_tokens": 2, "rate": 1, "tier": "b", "ok": 2, "was": None, "new": 3}
    more |= {"never": None}
    run = make_run(token_usage=known)

    assert run.update_token_usage(more).token_usage == {
        "input_tokens": 3,
        "rate": 1.5,
        "tier": "b",
        "ok": 2,
        "was": 1,
        "new": 3,
    }
    assert run.token_usage == known


def test_the_parts_of_token_usage_add_up() -> None:
    """
    Within objects, too, as providers report cached and reasoning tokens.
    """
    first = {"input_tokens": 10, "details": {"cached": 4, "text": {"a": 1}}}
    second = {"input_tokens": 5, "details": {"cached": None, "text": {"a": 2}, "b": 1}}
    run = make_run().update_token_usage(first).update_token_usage(second)

    assert run.token_usage == {
        "input_tokens": 15,
        "details": {"cached": 4, "text": {"a": 3}, "b": 1},
    }


@pytest.mark.parametrize(
    ("known", "more", "total"),
    [
        ({"input_tokens": 5, "output_tokens": 3}, {"total_tokens": 10}, 18),
        ({"total_tokens": 10}, {"input_tokens": 5, "output_tokens": 3}, 18),
        ({"input_tokens": 5}, {"input_tokens": 1, "total_tokens": 2}, 7),
        ({"total_tokens": 10}, {"total_tokens": None, "output_tokens": 2}, 12),
        ({"total_tokens": 10}, {"requests": 1}, 10),
        ({}, {"total_tokens": 4}, 4),
        ({"input_tokens": 5}, {"output_tokens": 3}, 8),
    ],
    ids=range(7),
)
def test_a_missing_total_is_made_before_totals_are_added(
    known: dict[str, Any], more: dict[str, Any], total: int
) -> None:
    """
    One request that tells no total does not make the run's total too small.
    """
    run = make_run(token_usage=known).update_token_usage(more)

    assert run.total_tokens == total


@pytest.mark.parametrize(
    ("known", "more", "message"),
    [
        ({"total_tokens": 2**53 - 1}, {"total_tokens": 1}, r"token_usage\['total"),
        ({"x": 1.7e308}, {"x": 1.7e308}, r"token_usage\['x'\]: inf is not JSON"),
        ({"x": 10**4300 - 1}, {"x": 1}, r"token_usage\['x'\]: the integer has more"),
        ({"x": 10**400}, {"x": 0.5}, r"usage\['x'\]: the sum is too large"),
        ({"x": {"y": 10**400}}, {"x": {"y": 0.5}}, r"usage\['x'\]\['y'\]: the sum is"),
        ({}, [], r"usage: expected a JSON object, got a list"),
        ({}, {"x": b""}, r"usage\['x'\]: a bytes is not JSON"),
    ],
    ids=range(7),
)
def test_a_sum_out_of_bounds_is_refused(
    known: dict[str, Any], more: Any, message: str
) -> None:
    """
    Usage that no run may hold cannot come about by adding either.
    """
    with pytest.raises(ValidationError, match=rf"^{message}"):
        make_run(token_usage=known).update_token_usage(more)
