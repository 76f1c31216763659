from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import attrs
import pytest

from asm_async.errors import InvalidTransitionError, ValidationError
from asm_async.testing.factories import NOON, make_session
from asm_async.values.session import Session, SessionStatus

LATER = NOON + timedelta(hours=1)
PARIS = timezone(timedelta(hours=1))

ALL_FIELDS: dict[str, Any] = {
    "id": "ses_7",
    "agent_id": "assistant",
    "status": SessionStatus.PAUSED,
    "created_at": NOON,
    "updated_at": LATER,
    "tenant_id": "tenant",
    "user_id": "user",
    "parent_session_id": "ses_6",
    "metadata": {"a": [1, 2.5, None]},
    "context": {"prompt": "\0\ud800"},
    "tags": ("pinned", "blue"),
    "deleted_at": LATER,
    "revision": 3,
    "last_activity_at": LATER,
}
REQUIRED = ["id", "agent_id", "status", "created_at", "updated_at"]

# What each status may become, beside itself.
MAY_BECOME = {
    "pending": {"active", "completed", "failed", "cancelled"},
    "active": {"paused", "completed", "failed", "cancelled"},
    "paused": {"active", "completed", "failed", "cancelled"},
    "completed": set[str](),
    "failed": set[str](),
    "cancelled": set[str](),
}
STATUSES = list(SessionStatus)


def test_a_plain_constructor_takes_every_field() -> None:
    """
    What is given is what is held.
    """
    session = Session(**ALL_FIELDS)

    assert {name: getattr(session, name) for name in ALL_FIELDS} == ALL_FIELDS
    assert {field.name for field in attrs.fields(Session)} == set(ALL_FIELDS)


def test_optional_fields_have_defaults() -> None:
    """
    Five fields are required; the others are empty, or not there.
    """
    session = Session(**{name: ALL_FIELDS[name] for name in REQUIRED})

    assert (session.tenant_id, session.user_id) == (None, None)
    assert session.parent_session_id is None
    assert (session.metadata, session.context, session.tags) == ({}, {}, ())
    assert (session.deleted_at, session.revision) == (None, 0)


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields_have_none(name: str) -> None:
    """
    The plain constructor makes up no id and reads no clock.
    """
    with pytest.raises(TypeError, match=name):
        Session(**{key: ALL_FIELDS[key] for key in REQUIRED if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", "a" * 256),
        ("agent_id", "a\0"),
        ("agent_id", None),
        ("tenant_id", "\ud800"),
        ("user_id", "\ud800"),
        ("parent_session_id", ""),
        ("status", "running"),
        ("status", None),
        ("metadata", {"a": math.nan}),
        ("metadata", None),
        ("context", []),
        ("context", {"a": {1: 2}}),
        ("tags", "pinned"),
        ("tags", ["a", ""]),
        ("created_at", datetime(2026, 1, 2)),  # noqa: DTZ001 - the point
        ("created_at", None),
        ("updated_at", "2026-01-02T12:00:00+00:00"),
        ("deleted_at", datetime.max.replace(tzinfo=timezone(-timedelta(hours=1)))),
        ("revision", -1),
        ("revision", 2**53),
        ("revision", True),
    ],
    ids=range(22),
)
def test_a_wrong_field_is_named(name: str, value: object) -> None:
    """
    Each field is checked when the value is made, and the message begins with its name.
    """
    with pytest.raises(ValidationError, match=rf"^{name}\b"):
        make_session(**{name: value})


def test_fields_become_normal() -> None:
    """
    Times are moved to UTC, tags and JSON become plain, a status may be its text.
    """
    session = make_session(
        status="active",
        created_at=NOON.astimezone(PARIS),
        tags=["a", "b", "a"],
        metadata={"pair": "\ud83d\ude00", "tuple": (SessionStatus.ACTIVE,)},
    )

    assert session.status is SessionStatus.ACTIVE
    assert (session.created_at, session.created_at.tzinfo) == (NOON, UTC)
    assert session.tags == ("a", "b")
    assert session.metadata == {"pair": "\U0001f600", "tuple": ["active"]}
    assert type(session.metadata["tuple"][0]) is str


def test_the_callers_objects_are_copied() -> None:
    """
    What the caller does to its dict or list afterwards does not change the value.
    """
    given: dict[str, Any] = {"list": []}
    tags = ["a"]
    session = make_session(metadata=given, context=given, tags=tags)
    given["list"].append(1)
    given["more"] = 2
    tags.append("b")

    assert session.metadata == session.context == {"list": []}
    assert session.metadata["list"] is not session.context["list"]
    assert session.tags == ("a",)


def test_a_session_is_frozen() -> None:
    """
    No field can be set, none added, and a misspelt one is a TypeError.
    """
    session = make_session()
    set_field: Callable[[str, object], None] = session.__setattr__
    make = cast("Callable[..., Session]", Session)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("status", "active")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("colour", "red")
    with pytest.raises(TypeError, match="agent_Id"):
        make_session(agent_Id="assistant")
    with pytest.raises(TypeError, match="positional"):
        make(*ALL_FIELDS.values())


def test_equal_sessions_have_equal_hashes() -> None:
    """
    Sessions are equal by all their fields, and can stand in sets though they hold JSON.
    """
    session = Session(**ALL_FIELDS)
    twin = Session(**ALL_FIELDS)

    assert session == twin
    assert len({session, twin, attrs.evolve(session, revision=4)}) == 2
    assert session != attrs.evolve(session, metadata={})
    assert hash(session) == hash(attrs.evolve(session, metadata={}))


def test_a_session_can_be_copied_and_pickled() -> None:
    """
    Copies are equal.
    """
    session = Session(**ALL_FIELDS)

    assert copy.deepcopy(session) == session
    assert pickle.loads(pickle.dumps(session)) == session  # noqa: S301 - our own bytes


def test_the_same_content_means_all_but_the_revision() -> None:
    """
    The revision counts for nothing; 1 and 1.0, equal to Python, are stored otherwise.
    """
    session = make_session(metadata={"n": 1})

    assert session.has_same_content(attrs.evolve(session, revision=9))
    assert not session.has_same_content(attrs.evolve(session, updated_at=LATER))
    assert not session.has_same_content(make_session(metadata={"n": 1.0}))


def test_new_mints_an_id_and_reads_the_clock() -> None:
    """
    A new session is pending and was made just now.
    """
    before = datetime.now(UTC)
    session = Session.new(agent_id="assistant")
    after = datetime.now(UTC)

    assert session.id.startswith("ses_")
    assert session.status is SessionStatus.PENDING
    assert before <= session.created_at == session.updated_at <= after
    assert Session.new(agent_id="assistant").id != session.id


def test_new_takes_what_it_is_given() -> None:
    """
    A caller may bring its own id and time, and everything else.
    """
    names = ("id", "agent_id", "tenant_id", "user_id", "parent_session_id")
    json = ("metadata", "context", "tags", "created_at")
    given = {name: ALL_FIELDS[name] for name in names + json}
    session = Session.new(**given)

    assert {name: getattr(session, name) for name in given} == given
    assert session.updated_at == NOON
    with pytest.raises(ValidationError, match=r"^id"):
        Session.new(agent_id="assistant", id="")


@pytest.mark.parametrize("wanted", STATUSES, ids=str)
@pytest.mark.parametrize("current", STATUSES, ids=str)
def test_a_status_changes_as_the_machine_says(
    current: SessionStatus, wanted: SessionStatus
) -> None:
    """
    Of all pairs exactly those of the status machine are allowed.
    """
    session = make_session(status=current)
    if wanted is current:
        assert session.update_status(wanted, at=LATER) is session
    elif wanted in MAY_BECOME[current]:
        changed = session.update_status(wanted, at=LATER)
        assert changed == attrs.evolve(session, status=wanted, updated_at=LATER)
    else:
        with pytest.raises(InvalidTransitionError) as caught:
            session.update_status(wanted, at=LATER)
        assert caught.value.args == ("session 'ses_1'", current.value, wanted.value)
    assert session.status is current


@pytest.mark.parametrize("status", STATUSES, ids=str)
def test_what_is_over_can_become_nothing_else(status: SessionStatus) -> None:
    """
    A status is over when nothing may follow it.
    """
    assert status.is_over is (not MAY_BECOME[status])


def test_a_change_of_status_takes_the_present_time() -> None:
    """
    Unless a time is given, the clock is read; one in another zone is moved to UTC.
    """
    before = datetime.now(UTC)
    now = make_session().update_status(SessionStatus.ACTIVE).updated_at
    given = make_session().update_status(
        SessionStatus.ACTIVE, at=NOON.astimezone(PARIS)
    )

    assert before <= now <= datetime.now(UTC)
    assert given.updated_at.tzinfo is UTC


def test_an_unknown_status_is_refused() -> None:
    """
    A text that is no status is no change of status either.
    """
    unknown: Any = "gone"
    with pytest.raises(ValidationError, match=r"^status: 'gone' is not one of pending"):
        make_session().update_status(unknown)


def test_to_dict_gives_plain_json() -> None:
    """
    Times become ISO 8601 text with microseconds and offset, tags a list.
    """
    given = Session(**ALL_FIELDS).to_dict()

    assert given == ALL_FIELDS | {
        "status": "paused",
        "created_at": "2026-01-02T12:00:00.000000+00:00",
        "updated_at": "2026-01-02T13:00:00.000000+00:00",
        "deleted_at": "2026-01-02T13:00:00.000000+00:00",
        "last_activity_at": "2026-01-02T13:00:00.000000+00:00",
        "tags": ["pinned", "blue"],
    }
    assert type(given["status"]) is str


def test_to_dict_gives_a_copy() -> None:
    """
    What is done to the dict does not change the session.
    """
    session = Session(**ALL_FIELDS)
    session.to_dict()["metadata"]["a"].append("mine")

    assert session.metadata == {"a": [1, 2.5, None]}


def test_from_dict_takes_back_what_to_dict_gave() -> None:
    """
    Both ways together change nothing.
    """
    session = Session(**ALL_FIELDS)

    assert Session.from_dict(session.to_dict()) == session


def test_from_dict_fills_in_what_is_optional() -> None:
    """
    A missing optional field takes its default; a time may stand in any zone.
    """
    required = {name: make_session().to_dict()[name] for name in REQUIRED}
    required["created_at"] = "2026-01-02T13:00:00+01:00"

    assert Session.from_dict(required) == make_session()


@pytest.mark.parametrize("name", REQUIRED)
def test_from_dict_refuses_what_lacks_a_required_field(name: str) -> None:
    """
    Id, owner, status and times cannot be made up.
    """
    given = make_session().to_dict()
    del given[name]

    with pytest.raises(ValidationError, match=f"^{name}: this required field is miss"):
        Session.from_dict(given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "^'colour': there is no field of this name$"),
        ({"created_at": "noon"}, "^created_at: 'noon' is not an ISO 8601 time$"),
        ({"created_at": 5}, "^created_at: expected ISO 8601 text, got an int$"),
        ({"created_at": None}, "^created_at: expected a datetime, got a NoneType$"),
        ({"updated_at": "2026-01-02T12:00:00"}, "^updated_at: .* is naive"),
        ({"metadata": None}, "^metadata: expected a JSON object, got a NoneType$"),
        ({"status": "gone"}, "^status: 'gone' is not one of"),
    ],
    ids=range(7),
)
def test_from_dict_refuses_what_is_wrong(change: dict[str, Any], message: str) -> None:
    """
    An unknown field, a time that is none, or a bad value is refused by name.
    """
    with pytest.raises(ValidationError, match=message):
        Session.from_dict(make_session().to_dict() | change)


@pytest.mark.parametrize("value", [None, [], "{}"], ids=str)
def test_from_dict_refuses_what_is_no_object(value: Any) -> None:
    """
    Anything but a JSON object is refused.
    """
    with pytest.raises(ValidationError, match=r"^expected a JSON object, got a"):
        Session.from_dict(value)


def test_metadata_can_be_added_to() -> None:
    """
    Keys that are given replace those that are there; the others stay, in their order.
    """
    session = make_session(metadata={"title": "a", "pinned": True})
    before = datetime.now(UTC)
    changed = session.with_metadata(title="b", colour=None)

    assert changed.metadata == {"title": "b", "pinned": True, "colour": None}
    assert before <= changed.updated_at <= datetime.now(UTC)
    assert session.metadata == {"title": "a", "pinned": True}
    with pytest.raises(ValidationError, match=r"^metadata\['when'\]: a datetime"):
        session.with_metadata(when=before)


def test_tags_can_be_added_and_removed() -> None:
    """
    What is there already stays in its place, and what is not there is not missed.
    """
    session = make_session(tags=("a", "b"))
    before = datetime.now(UTC)
    changed = session.with_tags(add=["c", "a"], remove=["b", "z"])

    assert changed.tags == ("a", "c")
    assert before <= changed.updated_at <= datetime.now(UTC)
    assert session.with_tags(add=["n"], remove=["n"]).tags == ("a", "b")
    for wrong in ({"add": "tag"}, {"remove": [""]}):
        with pytest.raises(ValidationError, match=f"^{next(iter(wrong))}"):
            session.with_tags(**cast("dict[str, Any]", wrong))
