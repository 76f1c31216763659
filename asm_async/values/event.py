"""
One immutable record in a session's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import Count, PositiveCount, Text, UTCTime
from asm_async.values.ids import new_event_id
from asm_async.values.json_values import (
    Default,
    JSONObject,
    copy_and_encode,
    normalise_json_object,
)
from asm_async.values.stored_value import StoredValue


class EventFamily(StrEnum):
    """
    The subjects of the types of event that every agent runtime shares.
    """

    SESSION = "session"
    RUN = "run"
    MESSAGE = "message"
    TOOL = "tool"
    APPROVAL = "approval"
    ERROR = "error"
    USAGE = "usage"
    WORKSPACE = "workspace"
    POLICY = "policy"


class EventType(StrEnum):
    """
    The types of event that every agent runtime shares.

    An application's own type is any text with a dot in it, such as
    ``"myapp.plan_revised"``; the prefix ``asm.`` is reserved: of its types there is
    ``asm.events_retracted``, which stores alone write.
    """

    SESSION_CREATED = "session_created"
    SESSION_STARTED = "session_started"
    SESSION_PAUSED = "session_paused"
    SESSION_RESUMED = "session_resumed"
    SESSION_COMPLETED = "session_completed"
    SESSION_FAILED = "session_failed"
    SESSION_CANCELLED = "session_cancelled"
    RUN_STARTED = "run_started"
    RUN_COMPLETED = "run_completed"
    RUN_FAILED = "run_failed"
    RUN_CANCELLED = "run_cancelled"
    RUN_TIMEOUT = "run_timeout"
    MESSAGE_SENT = "message_sent"
    MESSAGE_RECEIVED = "message_received"
    MESSAGE_STREAMED = "message_streamed"
    TOOL_CALL_STARTED = "tool_call_started"
    TOOL_CALL_COMPLETED = "tool_call_completed"
    TOOL_CALL_FAILED = "tool_call_failed"
    ERROR_OCCURRED = "error_occurred"
    ERROR_RECOVERED = "error_recovered"
    TOKEN_USAGE_UPDATED = "token_usage_updated"  # noqa: S105 - no password
    TURN_COMPLETED = "turn_completed"
    WORKSPACE_SNAPSHOT_TAKEN = "workspace_snapshot_taken"
    WORKSPACE_DIFF_COMPUTED = "workspace_diff_computed"
    POLICY_VIOLATION = "policy_violation"
    TOOL_APPROVAL_REQUESTED = "tool_approval_requested"
    TOOL_APPROVAL_GRANTED = "tool_approval_granted"
    TOOL_APPROVAL_DENIED = "tool_approval_denied"

    @property
    def family(self) -> EventFamily:
        """
        The subject of the type.
        """
        return _FAMILIES[self]


# By the beginning of the types' values; the first that fits.
_BEGINNINGS = (
    ("turn_", EventFamily.RUN),
    ("tool_approval_", EventFamily.APPROVAL),
    ("token_usage_", EventFamily.USAGE),
    *((f"{family}_", family) for family in EventFamily),
)
_FAMILIES: Mapping[EventType, EventFamily] = {
    member: next(family for text, family in _BEGINNINGS if member.startswith(text))
    for member in EventType
}

EVENTS_RETRACTED = "asm.events_retracted"
"""
The type of the event by which ``SessionStore.retract_events`` hides others.
"""

_TYPES: Mapping[str, EventType] = {member.value: member for member in EventType}


def known_event_type(value: str) -> EventType | str:
    """
    Return the :class:`EventType` of this value, or *value* itself if there is none.
    """
    return _TYPES.get(value, value)


def event_type(value: object, name: str) -> EventType | str:
    """
    Accept an :class:`EventType`, its value, or an application's own dotted type.

    And that of retractions: they are read and copied like other events, and kept from
    being appended where events are.

    Raises:
        ValidationError: If *value* is none of these; the message starts with *name*.
    """
    if isinstance(value, EventType):
        return value
    plain = fields.text(value, name)
    if known := _TYPES.get(plain):
        return known
    if "." not in plain:
        raise ValidationError(
            f"{name}: {plain!r} is not an EventType; a type of your own needs a dot,"
            " such as 'myapp.plan_revised'"
        )
    if plain.startswith("asm.") and plain != EVENTS_RETRACTED:
        raise ValidationError(f"{name}: {plain!r} has the reserved prefix 'asm.'")
    return plain


AnyEventType: TypeAlias = Annotated[EventType | str, event_type]


@attrs.frozen(kw_only=True, weakref_slot=False)
class Event(StoredValue):
    """
    One immutable record in a session's log.

    Text fields hold 1 to 255 characters; the time is aware and given in UTC; *data* and
    *metadata* are JSON objects, copied when the value is made.
    """

    id: Text
    """
    The event's name, unique in its session: what makes appending idempotent.
    """

    type: AnyEventType
    """
    What happened: an :class:`EventType`, or an application's own dotted type.
    """

    timestamp: UTCTime
    """
    When it happened, by the clock of its observer; the log is not ordered by it.
    """

    session_id: Text
    """
    The session whose log holds it.
    """

    run_id: Text | None = None
    """
    The run it happened in.
    """

    sequence_number: Count = 0
    """
    Its place in the session: 1, 2, 3 and so on, given by the store; 0 means none yet.
    """

    data: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    What there is to say about it: a JSON object.
    """

    metadata: JSONObject = attrs.field(factory=dict[str, Any], hash=False)
    """
    Further data of the application.
    """

    schema_version: PositiveCount = 1
    """
    The version of *data*'s shape, in the application's own count, from 1.
    """

    provider: Text | None = None
    """
    The provider of the model.
    """

    correlation_id: Text | None = None
    """
    What ties it to events and traces elsewhere.
    """

    _GIVEN_BY_STORE: ClassVar = ("sequence_number",)

    @classmethod
    def new(
        cls,
        *,
        type: EventType | str,  # noqa: A002 - the field's name
        session_id: str,
        id: str | None = None,  # noqa: A002 - the field's name
        run_id: str | None = None,
        data: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        schema_version: int = 1,
        provider: str | None = None,
        correlation_id: str | None = None,
        timestamp: datetime | None = None,
        default: Default | None = None,
    ) -> Event:
        """
        Record that something happened, with a new id and the present time unless given.

        *default* is called, as by ``json.dumps``, for what is no JSON value in *data*
        and *metadata*: also for NaN and infinities, and for keys that are not text. It
        returns a value to replace it, which is checked, or raises ``TypeError``.

        Raises:
            ValidationError: Naming the field that is wrong.
        """
        # The constructor takes any mapping, and copies it.
        content: Any = {} if data is None else data
        remembered: Any = {} if metadata is None else metadata
        if default is not None:
            content = normalise_json_object(content, "data", default)
            remembered = normalise_json_object(remembered, "metadata", default)
        return cls(
            id=new_event_id() if id is None else id,
            type=type,
            timestamp=datetime.now(UTC) if timestamp is None else timestamp,
            session_id=session_id,
            run_id=run_id,
            data=content,
            metadata=remembered,
            schema_version=schema_version,
            provider=provider,
            correlation_id=correlation_id,
        )

    def snapshot(self) -> tuple[Event, str, str]:
        """
        Return an equal event whose JSON is its own, and its JSON as it is stored.

        Returns:
            The event, then the texts of *data* and of *metadata*.

        Raises:
            ValidationError: If *data* or *metadata* was spoilt since it was checked.
        """
        data, data_text = copy_and_encode(self.data, "data")
        metadata, metadata_text = copy_and_encode(self.metadata, "metadata")
        return self.with_json(data, metadata), data_text, metadata_text

    def with_json(self, data: JSONObject, metadata: JSONObject) -> Event:
        """
        Return the event with other objects for its JSON, neither checked nor copied.
        """
        event = self._opened()
        event.data, event.metadata = data, metadata
        event.__class__ = Event
        frozen: Event = event
        return frozen

    def take_number(self, sequence_number: int) -> None:
        """
        Set the event's own number: for adapters that alone hold the event.
        """
        object.__setattr__(self, "sequence_number", sequence_number)


EventSnapshot: TypeAlias = tuple[Event, str, str]
"""
A copy of an event, with its *data* and *metadata* as they are stored.
"""


def event_snapshots(events: object, name: str) -> tuple[EventSnapshot, ...]:
    """
    Copy events, none of which has a sequence number.

    Raises:
        ValidationError: Naming the first that is wrong, as a member of *name*.
    """
    if not fields.is_list(events):
        raise fields.unexpected(name, "a list of events", events)
    return tuple([event_snapshot(each, name, i) for i, each in enumerate(events)])


def event_snapshot(event: object, name: str, index: int) -> EventSnapshot:
    """
    Copy one event, as :func:`event_snapshots` does.
    """
    if not isinstance(event, Event):
        raise fields.unexpected(f"{name}[{index}]", "an Event", event)
    if event.sequence_number:
        raise ValidationError(
            f"{name}[{index}]: {event.id!r} has the sequence number"
            f" {event.sequence_number}, which only the store assigns"
        )
    if event.type == EVENTS_RETRACTED:
        raise ValidationError(
            f"{name}[{index}].type: {EVENTS_RETRACTED!r} is written by retract_events;"
            " call that instead"
        )
    try:
        return event.snapshot()
    except ValidationError as error:
        raise ValidationError(f"{name}[{index}].{error}") from None
