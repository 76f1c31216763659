from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.values.event import EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def test_a_filter_lets_everything_through_unless_told() -> None:
    """
    Without arguments nothing is filtered but the soft-deleted, and nothing is cut off.
    """
    assert attrs.asdict(SessionFilter()) == {
        "status": None,
        "agent_id": None,
        "tenant_id": None,
        "user_id": None,
        "include_deleted": False,
        "with_context": True,
        "limit": None,
        "offset": 0,
    }
    assert set(attrs.astuple(RunFilter())) == {None}
    assert attrs.asdict(EventFilter()).pop("visible_only") is False
    assert set(attrs.astuple(EventFilter())) == {None, False}


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
    assert EventFilter(ids=["b", "a", "b"]).ids == ("b", "a")
    wrong: Any
    for wrong in ("evt_1", 5, {"evt_1": 1}):
        with pytest.raises(ValidationError, match=r"^ids: expected a list, got "):
            EventFilter(ids=wrong)


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
        (SessionFilter, "user_id", 7),
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
