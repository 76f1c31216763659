from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import NOON
from asm_async.values.run import RunStatus
from asm_async.values.summaries import (
    CostGroup,
    CostSummary,
    CostTotals,
    SessionStats,
    TokenTotals,
    UsageGroup,
    UsageSummary,
    UsageTotals,
)
from asm_async.values.token_price import TokenPrice

PARIS = timezone(timedelta(hours=1))
PARTS = {"cache_read_tokens": 1, "cache_write_tokens": 1, "reasoning_tokens": 2}
TOKENS = TokenTotals(input_tokens=2, output_tokens=3, total_tokens=5, **PARTS)
USAGE = UsageTotals(
    run_count=1, input_tokens=2, output_tokens=3, total_tokens=5, **PARTS
)
COST = CostTotals(run_count=1, cost_usd=0.5, input_tokens=2, output_tokens=3)
USAGE_GROUP = UsageGroup(
    key={"model": "large", "tenant": None},
    bucket=NOON,
    **attrs.asdict(USAGE),
)
COST_GROUP = CostGroup(
    key={"agent": "assistant"}, bucket=NOON, unmapped_runs=1, **attrs.asdict(COST)
)

# Every class with all its fields.
EXAMPLES: list[tuple[type[Any], dict[str, Any]]] = [
    (TokenTotals, attrs.asdict(TOKENS)),
    (UsageTotals, attrs.asdict(USAGE)),
    (CostTotals, attrs.asdict(COST)),
    (UsageGroup, attrs.asdict(USAGE_GROUP)),
    (CostGroup, attrs.asdict(COST_GROUP)),
    (
        TokenPrice,
        {
            "input_usd_per_million": 3.0,
            "output_usd_per_million": 15.0,
            "cache_read_usd_per_million": 0.3,
            "cache_write_usd_per_million": 3.75,
        },
    ),
    (
        SessionStats,
        {
            "event_count": 7,
            "run_count": 1,
            "token_totals": TOKENS,
            "providers_used": ("acme", "openai"),
            "first_event_at": NOON,
            "last_event_at": NOON,
            "status_counts": {RunStatus.FAILED: 1},
        },
    ),
    (
        UsageSummary,
        {
            "run_count": 1,
            "total_input_tokens": 2,
            "total_output_tokens": 3,
            "total_tokens": 5,
            **{f"total_{name}": count for name, count in PARTS.items()},
            "by_provider": {"acme": USAGE},
            "by_model": {"unknown": USAGE},
            "by_bucket": {NOON: USAGE},
            "groups": (USAGE_GROUP,),
        },
    ),
    (
        CostSummary,
        {
            "run_count": 2,
            "unmapped_runs": 1,
            "total_cost_usd": 0.5,
            "by_provider": {"acme": COST},
            "by_model": {"large": COST},
            "by_bucket": {NOON: COST},
            "groups": (COST_GROUP,),
        },
    ),
]
FIELDS = [
    pytest.param(kind, fields, name, id=f"{kind.__name__}.{name}")
    for kind, fields in EXAMPLES
    for name in fields
]
KINDS = [pytest.param(*example, id=example[0].__name__) for example in EXAMPLES]


def make(kind: type[Any], **changes: Any) -> Any:
    """
    Make the example of a class, but for the fields that are given.
    """
    return kind(**(dict(EXAMPLES)[kind] | changes))


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_a_summary_holds_what_it_is_given(
    kind: type[Any], fields: dict[str, Any]
) -> None:
    """
    What is given is what is held, and summaries are equal by all of it.
    """
    summary = kind(**fields)

    assert {name: getattr(summary, name) for name in fields} == fields
    assert {field.name for field in attrs.fields(kind)} == set(fields)
    assert summary == kind(**fields)
    assert hash(summary) == hash(kind(**fields))


@pytest.mark.parametrize(("kind", "fields", "name"), FIELDS)
def test_each_field_is_required_but_buckets_and_parts(
    kind: type[Any], fields: dict[str, Any], name: str
) -> None:
    """
    Buckets and groups, which must be asked for, are none unless given; nor are parts.
    """
    rest = {key: value for key, value in fields.items() if key != name}
    if name == "by_bucket":
        assert kind(**rest).by_bucket == {}
    elif name == "groups":
        assert kind(**rest).groups == ()
    elif name == "bucket":
        assert kind(**rest).bucket is None
    elif name.startswith("cache_") and kind is TokenPrice:
        assert getattr(kind(**rest), name) is None
    elif name.removeprefix("total_") in PARTS:
        assert getattr(kind(**rest), name) == 0
    else:
        with pytest.raises(TypeError, match=name):
            kind(**rest)


@pytest.mark.parametrize("value", [object(), -1, "7", True], ids=type)
@pytest.mark.parametrize(("kind", "fields", "name"), FIELDS)
def test_each_field_is_checked(
    kind: type[Any], fields: dict[str, Any], name: str, value: object
) -> None:
    """
    No field takes whatever it is given, and the message begins with its name.
    """
    with pytest.raises(ValidationError, match=rf"^{name}\b"):
        kind(**(fields | {name: value}))


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_a_summary_is_frozen(kind: type[Any], fields: dict[str, Any]) -> None:
    """
    No field can be set, and a misspelt one is a TypeError.
    """
    set_field: Callable[[str, object], None] = kind(**fields).__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field(next(iter(fields)), 1)
    with pytest.raises(TypeError, match="runs"):
        kind(**fields, runs=1)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (TokenTotals, ["input_tokens", "output_tokens", "total_tokens"]),
        (UsageTotals, ["input_tokens", "output_tokens", "total_tokens"]),
        (CostTotals, ["input_tokens", "output_tokens"]),
        (
            UsageSummary,
            ["total_input_tokens", "total_output_tokens", "total_tokens"],
        ),
    ],
)
def test_a_sum_may_exceed_what_one_run_may_hold(
    kind: type[Any], names: list[str]
) -> None:
    """
    A million runs at the bound of a count add up without overflow.
    """
    large = dict.fromkeys(names, 10**6 * (2**53 - 1))
    summary = make(kind, **large)

    assert {name: getattr(summary, name) for name in names} == large


@pytest.mark.parametrize("value", [-1, 1.0, None, "1", True], ids=repr)
def test_a_sum_is_a_whole_number(value: Any) -> None:
    """
    Whatever a database makes of a sum, an adapter must give a whole number.
    """
    with pytest.raises(ValidationError, match=r"^total_tokens: expected a"):
        TokenTotals(input_tokens=0, output_tokens=0, total_tokens=value)


@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf, None, "1"], ids=repr)
def test_a_cost_is_a_finite_amount(value: Any) -> None:
    """
    Costs and prices are at least 0, finite, and never missing.
    """
    with pytest.raises(ValidationError, match=r"^cost_usd: expected a"):
        attrs.evolve(COST, cost_usd=value)
    with pytest.raises(ValidationError, match=r"^output_usd_per_million: expected a"):
        TokenPrice(input_usd_per_million=0, output_usd_per_million=value)


def test_fields_become_normal() -> None:
    """
    Times are moved to UTC, statuses may be texts, each provider stands once.
    """
    in_paris = NOON.astimezone(PARIS)
    stats = make(
        SessionStats,
        providers_used=["a", "b", "a"],
        first_event_at=in_paris,
        status_counts={"failed": 1},
    )
    usage = make(UsageSummary, by_bucket={in_paris: USAGE})

    assert stats.providers_used == ("a", "b")
    assert stats.first_event_at == NOON
    assert [type(status) for status in stats.status_counts] == [RunStatus]
    assert [start.tzinfo for start in usage.by_bucket] == [UTC]


def test_a_session_without_events_has_no_times() -> None:
    """
    Where there is no event there is no first and no last one.
    """
    stats = make(SessionStats, first_event_at=None, last_event_at=None)

    assert (stats.first_event_at, stats.last_event_at) == (None, None)


def test_the_groups_are_copied() -> None:
    """
    What the caller does to its dict afterwards does not change the summary.
    """
    groups = {"acme": COST}
    summary = make(CostSummary, by_provider=groups)
    groups.clear()

    assert summary.by_provider == {"acme": COST}


@pytest.mark.parametrize(
    ("kind", "groups", "message"),
    [
        (UsageSummary, {"by_provider": {"": USAGE}}, "by_provider: key: expected 1 to"),
        (UsageSummary, {"by_model": {"m": COST}}, r"by_model\['m'\]: expected a Usage"),
        (
            UsageSummary,
            {"by_bucket": {"noon": USAGE}},
            "by_bucket: key: expected a dat",
        ),
        (CostSummary, {"by_provider": {None: COST}}, "by_provider: key: expected text"),
        (CostSummary, {"by_model": {"m": USAGE}}, r"by_model\['m'\]: expected a CostT"),
        (CostSummary, {"by_bucket": {NOON: {}}}, r"by_bucket\['2026-.*got a dict"),
        (
            SessionStats,
            {"status_counts": {"on": 1}},
            "status_counts: key: 'on' is not one",
        ),
        (
            SessionStats,
            {"status_counts": {"failed": -1}},
            r"status_counts\['failed'\]:",
        ),
        (SessionStats, {"providers_used": "openai"}, "providers_used: expected a list"),
    ],
    ids=range(9),
)
def test_a_wrong_group_is_named(
    kind: type[Any], groups: dict[str, Any], message: str
) -> None:
    """
    A group's key and what stands under it are checked, and named if they are wrong.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        make(kind, **groups)
