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
from asm_async.testing.factories import NOON, make_event
from asm_async.values.event import Event, EventType, event_type, known_event_type
from asm_async.values.json_values import encode_json

PARIS = timezone(timedelta(hours=1))

ALL_FIELDS: dict[str, Any] = {
    "id": "evt_7",
    "type": EventType.MESSAGE_SENT,
    "timestamp": NOON,
    "session_id": "ses_7",
    "run_id": "run_7",
    "sequence_number": 12,
    "data": {"content": "\0\ud800", "n": [1, 2.5, None]},
    "metadata": {"a": {}},
    "schema_version": 2,
    "provider": "acme",
    "correlation_id": "trace-1",
}
REQUIRED = ["id", "type", "timestamp", "session_id"]


def test_a_plain_constructor_takes_every_field() -> None:
    """
    What is given is what is held.
    """
    event = Event(**ALL_FIELDS)

    assert {name: getattr(event, name) for name in ALL_FIELDS} == ALL_FIELDS
    assert {field.name for field in attrs.fields(Event)} == set(ALL_FIELDS)


def test_optional_fields_have_defaults() -> None:
    """
    Four fields are required; an event has no number until a store gives one.
    """
    event = Event(**{name: ALL_FIELDS[name] for name in REQUIRED})

    assert (event.run_id, event.provider, event.correlation_id) == (None,) * 3
    assert (event.data, event.metadata) == ({}, {})
    assert (event.sequence_number, event.schema_version) == (0, 1)


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields_have_none(name: str) -> None:
    """
    The plain constructor makes up no id and reads no clock.
    """
    with pytest.raises(TypeError, match=name):
        Event(**{key: ALL_FIELDS[key] for key in REQUIRED if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", ""),
        ("id", None),
        ("type", "thought"),
        ("timestamp", datetime(2026, 1, 2)),  # noqa: DTZ001 - the point
        ("session_id", "a" * 256),
        ("run_id", ""),
        ("sequence_number", -1),
        ("sequence_number", 2**53),
        ("data", None),
        ("data", "text"),
        ("data", {"a": math.nan}),
        ("metadata", {"a": {1: 2}}),
        ("schema_version", "1"),
        ("schema_version", 0),
        ("provider", "\ud800"),
        ("correlation_id", "\0"),
    ],
    ids=range(16),
)
def test_a_wrong_field_is_named(name: str, value: object) -> None:
    """
    Each field is checked when the value is made, and the message begins with its name.
    """
    with pytest.raises(ValidationError, match=rf"^{name}\b"):
        make_event(**{name: value})


def test_the_path_of_the_culprit_is_named() -> None:
    """
    What is not JSON is named by the way that leads to it.
    """
    with pytest.raises(ValidationError) as caught:
        make_event(data={"a": [0, 1, 2, b"raw"]})

    assert str(caught.value).startswith("data['a'][3]: a bytes is not JSON; ")


def test_there_are_28_types() -> None:
    """
    Every type is stored as its own name in small letters.
    """
    assert len(EventType) == 28
    assert [member.value for member in EventType] == [
        member.name.lower() for member in EventType
    ]


@pytest.mark.parametrize("member", list(EventType), ids=str)
def test_a_type_may_be_given_as_its_text(member: EventType) -> None:
    """
    The stored text of a type becomes the type.
    """
    assert make_event(type=member.value).type is member


@pytest.mark.parametrize(
    "own", ["myapp.plan_revised", ".", "a.", ".a", "asm-x.y", "ASM.x", "é.\U0001f600"]
)
def test_an_application_has_types_of_its_own(own: str) -> None:
    """
    Any text with a dot in it is a type, and stays a text.
    """
    given = event_type(own, "type")

    assert given == own
    assert type(given) is str


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("thought", "type: 'thought' is not an EventType; a type of your own "),
        ("MESSAGE_SENT", "type: 'MESSAGE_SENT' is not an EventType"),
        ("asm.internal", "type: 'asm.internal' has the reserved prefix 'asm.'"),
        ("asm.", "type: 'asm.' has the reserved prefix 'asm.'"),
        ("", "type: expected 1 to 255 characters, got 0"),
        (f"a.{'b' * 254}", "type: expected 1 to 255 characters, got 256"),
        ("a.\0", r"type: 'a.\x00' holds a NUL character"),
        ("a.\ud800", r"type: 'a.\ud800' holds a lone surrogate"),
        (None, "type: expected text, got a NoneType"),
        (7, "type: expected text, got an int"),
    ],
    ids=range(10),
)
def test_anything_else_is_no_type(value: object, message: str) -> None:
    """
    A misspelt type is refused, and so are the reserved prefix and what is no text.
    """
    with pytest.raises(ValidationError) as caught:
        event_type(value, "type")

    assert str(caught.value).startswith(message)


def test_fields_become_normal() -> None:
    """
    The time is moved to UTC, JSON becomes plain, a type may be its text.
    """
    event = make_event(
        type="turn_completed",
        timestamp=NOON.astimezone(PARIS),
        data={"type": EventType.TURN_COMPLETED, "pair": "\ud83d\ude00", "t": (1,)},
    )

    assert event.type is EventType.TURN_COMPLETED
    assert (event.timestamp, event.timestamp.tzinfo) == (NOON, UTC)
    assert event.data == {"type": "turn_completed", "pair": "\U0001f600", "t": [1]}
    assert type(event.data["type"]) is str


def test_the_callers_objects_are_copied() -> None:
    """
    What the caller does to its dict afterwards does not change the value.
    """
    given: dict[str, Any] = {"list": []}
    event = make_event(data=given, metadata=given)
    given["list"].append(1)

    assert event.data == event.metadata == {"list": []}


def test_an_event_is_frozen() -> None:
    """
    No field can be set, and a misspelt one is a TypeError.
    """
    event = make_event()
    set_field: Callable[[str, object], None] = event.__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("sequence_number", 1)
    with pytest.raises(TypeError, match="payload"):
        make_event(payload={})


def test_equal_events_have_equal_hashes() -> None:
    """
    Events are equal by all their fields, and can stand in sets though they hold JSON.
    """
    event = Event(**ALL_FIELDS)

    assert len({event, Event(**ALL_FIELDS), attrs.evolve(event, provider=None)}) == 2
    assert event != attrs.evolve(event, data={})
    assert copy.deepcopy(event) == event
    assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 - our own bytes


def test_the_same_content_means_all_but_the_number() -> None:
    """
    The number counts for nothing, the timestamp and the order of keys do.
    """
    event = make_event(data={"a": 1, "b": 2})
    later = NOON + timedelta(microseconds=1)

    assert event.has_same_content(attrs.evolve(event, sequence_number=9))
    assert not event.has_same_content(attrs.evolve(event, timestamp=later))
    assert not event.has_same_content(make_event(data={"b": 2, "a": 1}))
    assert not event.has_same_content(make_event(data={"a": 1.0, "b": 2}))


def test_new_mints_an_id_and_reads_the_clock() -> None:
    """
    A new event happened just now and has no number yet.
    """
    before = datetime.now(UTC)
    event = Event.new(type="myapp.started", session_id="ses_1")
    after = datetime.now(UTC)

    assert event.id.startswith("evt_")
    assert before <= event.timestamp <= after
    assert (event.sequence_number, event.data, event.metadata) == (0, {}, {})
    assert Event.new(type=event.type, session_id="ses_1").id != event.id


def test_new_takes_what_it_is_given() -> None:
    """
    A caller may bring its own id and time, and everything else but the number.
    """
    given = {
        name: value for name, value in ALL_FIELDS.items() if name != "sequence_number"
    }

    assert Event.new(**given) == Event(**given)
    with pytest.raises(TypeError, match="sequence_number"):
        Event.new(**ALL_FIELDS)


def test_a_stored_event_is_made_of_its_fields_in_order() -> None:
    """
    What a store read becomes the event it was, without another check or copy.
    """
    event = Event(**ALL_FIELDS)
    names = [field.name for field in attrs.fields(Event)]
    stored = Event.from_stored(getattr(event, name) for name in names)

    assert names == list(ALL_FIELDS)
    assert stored == event
    assert stored.data is event.data
    with pytest.raises(ValueError, match="not enough values"):
        Event.from_stored(["evt_1"])


def test_a_snapshot_has_json_of_its_own() -> None:
    """
    An equal event and its texts, which no change of the first one's JSON reaches.
    """
    event = Event(**ALL_FIELDS)
    copy, data, metadata = event.snapshot()
    assert copy == event

    event.data["more"] = [1]

    assert copy == Event(**ALL_FIELDS)
    assert (data, metadata) == (encode_json(copy.data), encode_json(copy.metadata))


def test_json_that_was_spoilt_is_not_snapshot() -> None:
    """
    The field and the place in it are named.
    """
    event = Event(**ALL_FIELDS)
    event.metadata["more"] = {"at": {1, 2}}

    with pytest.raises(ValidationError, match=r"^metadata\['more'\]\['at'\]: a set"):
        event.snapshot()


def test_an_event_is_given_its_number() -> None:
    """
    As another event that shares the JSON, or, by its only holder, as itself.
    """
    event = Event(**ALL_FIELDS)
    numbered = event.with_given(7)

    assert numbered == attrs.evolve(event, sequence_number=7)
    assert numbered.data is event.data
    event.take_number(7)
    assert event == numbered


@pytest.mark.parametrize("value", ["message_sent", "myapp.started"])
def test_a_stored_type_becomes_the_type_it_was(value: str) -> None:
    """
    A shared type's text becomes its member; an application's own stays a text.
    """
    assert known_event_type(value) is event_type(value, "type")


def test_to_dict_gives_plain_json() -> None:
    """
    The time becomes ISO 8601 text, the type a plain one; both ways change nothing.
    """
    event = Event(**ALL_FIELDS)
    given = event.to_dict()
    own = make_event(type="myapp.started")

    assert given == ALL_FIELDS | {
        "type": "message_sent",
        "timestamp": "2026-01-02T12:00:00.000000+00:00",
    }
    assert type(given["type"]) is str
    assert Event.from_dict(given) == event
    assert Event.from_dict(own.to_dict()) == own


def test_from_dict_fills_in_what_is_optional() -> None:
    """
    A missing optional field takes its default; a missing required one is refused.
    """
    plain = make_event(data={})
    required = {name: plain.to_dict()[name] for name in REQUIRED}

    assert Event.from_dict(required) == plain
    for name in REQUIRED:
        rest = {key: value for key, value in required.items() if key != name}
        with pytest.raises(ValidationError, match=f"^{name}: this required field is"):
            Event.from_dict(rest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "^'colour': there is no field of this name$"),
        ({"timestamp": "noon"}, "^timestamp: 'noon' is not an ISO 8601 time$"),
        ({"type": "thought"}, "^type: 'thought' is not an EventType"),
        ({"data": []}, "^data: expected a JSON object, got a list$"),
    ],
    ids=range(4),
)
def test_from_dict_refuses_what_is_wrong(change: dict[str, Any], message: str) -> None:
    """
    An unknown field, a time that is none, or a bad value is refused by name.
    """
    with pytest.raises(ValidationError, match=message):
        Event.from_dict(make_event().to_dict() | change)
