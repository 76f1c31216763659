from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import make_session
from asm_async.values.event import EventType
from asm_async.values.maintenance import (
    HealthIssue,
    HealthIssueKind,
    MaintenanceReport,
    MaintenanceStep,
)
from asm_async.values.retention import PROTECTED_EVENT_TYPES, RetentionPolicy
from asm_async.values.session import SessionStatus
from asm_async.values.session_export import SessionExport

LIMITS = [
    "max_session_age_days",
    "max_completed_session_age_days",
    "max_idle_days",
    "max_events_per_session",
    "max_total_events",
    "hard_delete_after_days",
]
COUNTS = [
    "sessions_soft_deleted",
    "sessions_hard_deleted",
    "events_pruned",
    "artifacts_cleaned",
    "orphaned_sequences_cleaned",
    "duration_ms",
]


def make_policy(**fields: Any) -> RetentionPolicy:
    """
    Make the default policy, but for the fields that are given.
    """
    return RetentionPolicy(**fields)


async def keep(session: SessionExport, *, place: str = "attic") -> str:
    """
    Archive a session nowhere.
    """
    return f"{place}/{session.session.id}"


class Attic:
    """
    An archive that is an object.
    """

    async def __call__(self, session: SessionExport) -> None:
        """
        Archive a session nowhere.
        """

    async def keep(self, session: SessionExport) -> None:
        """
        Archive a session nowhere.
        """


def refusal(**fields: Any) -> str:
    """
    Return the message with which a policy is refused.
    """
    with pytest.raises(ValidationError) as caught:
        make_policy(**fields)
    return str(caught.value)


def test_the_default_policy_keeps_what_is_alive() -> None:
    """
    Nothing is limited but the age of what is over and of what is deleted.
    """
    policy = RetentionPolicy()

    assert attrs.asdict(policy) == {
        "max_session_age_days": None,
        "max_completed_session_age_days": 90,
        "max_idle_days": None,
        "max_events_per_session": None,
        "max_total_events": None,
        "hard_delete_after_days": 30,
        "archive": None,
        "exempt_statuses": (SessionStatus.ACTIVE, SessionStatus.PAUSED),
        "exempt_tags": ("pinned",),
        "prune_event_types_first": (
            EventType.MESSAGE_STREAMED,
            EventType.TOKEN_USAGE_UPDATED,
        ),
        "batch_size": 100,
    }


@pytest.mark.parametrize("value", [None, 1, 2**53 - 1])
@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_a_positive_whole_number_or_none(
    name: str, value: int | None
) -> None:
    """
    Each limit can be set, and None means that there is none.
    """
    assert getattr(make_policy(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "expected at least 1, got 0"),
        (-1, "the number is not within 0 to 2**53 - 1"),
        (2**53, "the number is not within 0 to 2**53 - 1"),
        (90.0, "expected a whole number, got a float"),
        ("90", "expected a whole number, got a str"),
        (True, "expected a whole number, got a bool"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", [*LIMITS, "batch_size"])
def test_any_other_limit_is_refused(name: str, value: object, message: str) -> None:
    """
    A limit of nothing, or no whole number, is refused when the policy is made.
    """
    assert refusal(**{name: value}) == f"{name}: {message}"


def test_a_batch_has_a_size() -> None:
    """
    The size of a batch is the one number that None cannot be.
    """
    assert make_policy(batch_size=1).batch_size == 1
    assert refusal(batch_size=None).startswith("batch_size: expected a whole number")


@pytest.mark.parametrize(
    "archive",
    [keep, partial(keep, place="cellar"), Attic(), Attic().keep],
    ids=["function", "partial", "object", "method"],
)
async def test_an_archive_is_an_async_callable(
    archive: Callable[[SessionExport], Awaitable[object]],
) -> None:
    """
    Functions, methods, partial functions and objects will do, if calling them is async.
    """
    export = SessionExport(
        session=make_session(), runs=(), events=(), latest_sequence=0, pruned_count=0
    )
    policy = make_policy(archive=archive)

    assert policy.archive is archive
    await archive(export)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (print, "a builtin_function_or_method"),
        (make_policy, "a function"),
        (Attic, "a type"),
        ("s3://bucket", "a str"),
        (True, "a bool"),
    ],
    ids=["builtin", "function", "class", "text", "bool"],
)
def test_anything_else_is_no_archive(value: object, kind: str) -> None:
    """
    What is not async is found out before it is given a session to keep.
    """
    assert refusal(archive=value) == f"archive: expected an async callable, got {kind}"


def test_exemptions_become_normal() -> None:
    """
    Statuses may be texts, and each status, tag and type stands once.
    """
    policy = make_policy(
        exempt_statuses=["failed", SessionStatus.FAILED, "active"],
        exempt_tags=["b", "a", "b"],
        prune_event_types_first=["myapp.tick", "message_sent", "myapp.tick"],
    )

    assert policy.exempt_statuses == (SessionStatus.FAILED, SessionStatus.ACTIVE)
    assert policy.exempt_tags == ("b", "a")
    assert policy.prune_event_types_first == ("myapp.tick", EventType.MESSAGE_SENT)
    assert make_policy(exempt_statuses=()).exempt_statuses == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"exempt_statuses": 5}, "exempt_statuses: expected a list, got an int"),
        ({"exempt_statuses": "on"}, "exempt_statuses: 'on' is not one of pending"),
        ({"exempt_statuses": ["on"]}, "exempt_statuses[0]: 'on' is not one of pending"),
        ({"exempt_statuses": None}, "exempt_statuses: expected a list, got a None"),
        ({"exempt_tags": "pinned"}, "exempt_tags: expected a list, got a str"),
        ({"exempt_tags": ["a", ""]}, "exempt_tags[1]: expected 1 to 255 characters"),
        (
            {"prune_event_types_first": ["tick"]},
            "prune_event_types_first[0]: 'tick' is not an EventType",
        ),
        (
            {"prune_event_types_first": "tick"},
            "prune_event_types_first: 'tick' is not an EventType",
        ),
    ],
    ids=range(8),
)
def test_a_wrong_exemption_is_named(fields: dict[str, Any], message: str) -> None:
    """
    What is no status, tag or type is refused, and its place is named.
    """
    assert refusal(**fields).startswith(message)


@pytest.mark.parametrize("protected", sorted(PROTECTED_EVENT_TYPES))
def test_protected_types_cannot_go_first(protected: EventType) -> None:
    """
    The types that tell a session's outline are pruned last, whatever is asked for.
    """
    assert refusal(prune_event_types_first=["message_sent", protected.value]) == (
        f"prune_event_types_first: {protected.value!r} is protected:"
        " it is always pruned last"
    )


def test_a_policy_can_be_made_of_anything_that_fits() -> None:
    """
    ``new`` has the constructor's defaults, and takes one where several may stand.
    """
    assert RetentionPolicy.new() == RetentionPolicy()

    policy = RetentionPolicy.new(
        max_session_age_days=1,
        max_completed_session_age_days=None,
        max_idle_days=6,
        max_events_per_session=2,
        max_total_events=3,
        hard_delete_after_days=4,
        exempt_statuses=SessionStatus.FAILED,
        exempt_tags=["kept"],
        prune_event_types_first="myapp.tick",
        batch_size=5,
    )

    assert policy == RetentionPolicy(
        max_session_age_days=1,
        max_completed_session_age_days=None,
        max_idle_days=6,
        max_events_per_session=2,
        max_total_events=3,
        hard_delete_after_days=4,
        exempt_statuses=(SessionStatus.FAILED,),
        exempt_tags=("kept",),
        prune_event_types_first=("myapp.tick",),
        batch_size=5,
    )
    given = set(inspect.signature(RetentionPolicy.new).parameters)
    assert given == {field.name for field in attrs.fields(RetentionPolicy)}


def test_five_types_are_protected() -> None:
    """
    A session's outline is how it began, what ran, and what went wrong.
    """
    assert sorted(PROTECTED_EVENT_TYPES) == [
        "error_occurred",
        "run_completed",
        "run_failed",
        "run_started",
        "session_created",
    ]


def test_a_policy_is_frozen() -> None:
    """
    No field can be set, a misspelt one is a TypeError, and policies are values.
    """
    set_field: Callable[[str, object], None] = make_policy().__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("batch_size", 1)
    with pytest.raises(TypeError, match="max_age"):
        make_policy(max_age=90)
    assert len({make_policy(), RetentionPolicy(), make_policy(archive=keep)}) == 2


def test_a_report_begins_empty() -> None:
    """
    Nothing has been done and nothing has gone wrong until it is said.
    """
    report = MaintenanceReport()

    assert [getattr(report, name) for name in COUNTS] == [0] * len(COUNTS)
    assert report.errors == {}


def test_a_report_holds_numbers_and_errors_by_step() -> None:
    """
    Errors are the exceptions themselves, under the step in which they were raised.
    """
    error = OSError("disk full")
    given: dict[Any, Any] = {"prune_events": [error]}
    counts: dict[str, Any] = {name: n for n, name in enumerate(COUNTS, start=1)}
    report = MaintenanceReport(errors=given, **counts)
    given.clear()

    assert [getattr(report, name) for name in COUNTS] == [1, 2, 3, 4, 5, 6]
    assert report.errors == {MaintenanceStep.PRUNE_EVENTS: (error,)}
    assert hash(report) == hash(attrs.evolve(report, errors={}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        *(({name: -1}, rf"^{name}: the number is not") for name in COUNTS),
        ({"errors": []}, r"^errors: expected a mapping, got a list"),
        ({"errors": {"prune": []}}, r"^errors: key: 'prune' is not one of soft_delete"),
        (
            {"errors": {"prune_events": 1}},
            r"^errors\['prune_events'\]: expected a list",
        ),
        (
            {"errors": {"prune_events": ["disk full"]}},
            r"^errors\['prune_events'\]\[0\]: expected an Exception, got a str",
        ),
    ],
    ids=range(10),
)
def test_a_wrong_report_is_refused(fields: dict[str, Any], message: str) -> None:
    """
    Each field of a report is checked, and the message begins with its name.
    """
    with pytest.raises(ValidationError, match=message):
        MaintenanceReport(**fields)


def test_a_health_issue_says_what_is_wrong_with_what() -> None:
    """
    Kind, subject and message are held; the kind may be its text.
    """
    given: dict[str, Any] = {"kind": "orphaned_runs", "subject": "ses_1", "message": ""}
    issue = HealthIssue(**given)

    assert issue.kind is HealthIssueKind.ORPHANED_RUNS
    assert (issue.subject, issue.message) == ("ses_1", "")
    assert len({issue, HealthIssue(**given)}) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "broken"}, r"^kind: 'broken' is not one of sequence_mismatch, "),
        ({"subject": ""}, r"^subject: expected 1 to 255 characters, got 0"),
        ({"message": None}, r"^message: expected a str, got a NoneType"),
    ],
    ids=range(3),
)
def test_a_wrong_health_issue_is_refused(change: dict[str, Any], message: str) -> None:
    """
    Each field of an issue is checked, and the message begins with its name.
    """
    given: dict[str, Any] = {"kind": "orphaned_runs", "subject": "s", "message": "m"}
    with pytest.raises(ValidationError, match=message):
        HealthIssue(**(given | change))


@pytest.mark.parametrize("kinds", [HealthIssueKind, MaintenanceStep])
def test_kinds_are_their_names_in_small_letters(
    kinds: type[HealthIssueKind | MaintenanceStep],
) -> None:
    """
    What programs compare and logs show is the member's own name.
    """
    assert [member.value for member in kinds] == [
        member.name.lower() for member in kinds
    ]
