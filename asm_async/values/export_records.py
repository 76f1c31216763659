"""
The records of an export.

An export is a header, any number of sessions, and an end. A session is a line of its
own, then its runs, in the order they were started, then by id, then its artifacts, in
the order they were created, then by id, then its state items, by scope and key, then
its events, oldest first, then its end. After the sessions come the state items that
belong to none, by scope and key, where everything is exported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Self, TypeAlias, TypeVar, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.fields import Count, Text
from asm_async.values.plain_value import PlainValue, check_members
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionMember
from asm_async.values.state_item import OWN_SCOPES, StateItem
from asm_async.values.stored_value import StoredValue
from asm_async.values.value import schema_of

V = TypeVar("V", bound=StoredValue)

EXPORT_FORMAT = "asm_async.export"
"""
The format that the header of every export names.
"""

EXPORT_VERSION = 1
"""
The version of the format that is written, and the only one that is read.
"""


def _format(value: object, name: str) -> str:
    if value != EXPORT_FORMAT:
        shown = fields.shown(value)
        raise ValidationError(f"{name}: {shown} is not {EXPORT_FORMAT!r}")
    return EXPORT_FORMAT


def _version(value: object, name: str) -> int:
    if fields.count(value, name) != EXPORT_VERSION:
        raise ValidationError(
            f"{name}: this code reads version {EXPORT_VERSION}, not {value}"
        )
    return EXPORT_VERSION


@attrs.frozen(kw_only=True)
class ExportHeader(PlainValue):
    """
    The first line of an export.
    """

    format: Annotated[str, _format] = EXPORT_FORMAT
    """
    That it is an export.
    """

    version: Annotated[int, _version] = EXPORT_VERSION
    """
    The version of the format.
    """

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make a header of what :meth:`to_dict` returned; no line leaves a field out.
        """
        names = schema_of(cls).rules
        return super().from_dict(check_members(data, names, names.keys()))


@attrs.frozen(kw_only=True)
class ExportedSession(PlainValue):
    """
    The first line of a session: the session itself and its counter.

    Raises:
        ValidationError: If the session was never saved, or more of its events were
            pruned than there ever were.
    """

    session: Session
    """
    The session, soft-deleted or not.
    """

    latest_sequence: Count
    """
    The latest number it has given to an event.
    """

    pruned_count: Count
    """
    How many of its numbers belong to events that are stored no longer.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.pruned_count > self.latest_sequence:
            raise ValidationError(
                f"pruned_count: {self.pruned_count} events cannot have been pruned of"
                f" {self.latest_sequence}"
            )

    @property
    def event_count(self) -> int:
        """
        How many of its events are stored.
        """
        return self.latest_sequence - self.pruned_count

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make a record of what :meth:`to_dict` returned.
        """
        names = schema_of(cls).rules
        given = dict(check_members(data, names, names.keys()))
        session = stored_value(given.pop("session"), Session)
        return cls(session=session, **given)


@attrs.frozen(kw_only=True)
class ExportedSessionEnd(PlainValue):
    """
    The last line of a session: what came since its first.
    """

    session_id: Text
    """
    The session that ends here.
    """

    run_count: Count
    """
    How many runs it has.
    """

    artifact_count: Count
    """
    How many artifacts it has.
    """

    item_count: Count
    """
    How many state items it has.
    """

    event_count: Count
    """
    How many events it has.
    """


@attrs.frozen(kw_only=True)
class ExportEnd(PlainValue):
    """
    The last line of an export, without which it is not whole.
    """

    session_count: Count
    """
    How many sessions it has.
    """

    run_count: Count
    """
    How many runs they have together.
    """

    artifact_count: Count
    """
    How many artifacts they have together.
    """

    item_count: Count
    """
    How many state items they have together, and how many belong to no session.
    """

    event_count: Count
    """
    How many events they have together.
    """


ExportRecord: TypeAlias = (
    ExportHeader | ExportedSession | SessionMember | ExportedSessionEnd | ExportEnd
)


def stored_value(value: object, kind: type[V]) -> V:
    """
    Make a session, or a member of one, of its JSON, as :meth:`from_dict` does.

    It was stored.

    Raises:
        ValidationError: If it carries no revision or sequence number, or an item a
            revision, or a time is more or less than RFC 3339 says, which would be lost;
            the message begins with the path of the culprit.
    """
    name = "state_item" if kind is StateItem else kind.__name__.lower()
    if not isinstance(value, dict):
        raise fields.unexpected(name, "a JSON object", value)
    data = cast("dict[str, Any]", value)
    try:
        made = kind.from_dict(data)
        _check_given_by_store(made)
        _check_times(data, schema_of(kind).times)
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None
    return made


def _check_given_by_store(value: StoredValue) -> None:
    if isinstance(value, Event) and not value.sequence_number:
        raise ValidationError("sequence_number: expected at least 1, got 0")
    if isinstance(value, Session | Run) and not value.revision:
        raise ValidationError("revision: expected at least 1, got 0")
    if isinstance(value, StateItem):
        _check_item(value)


def _check_item(item: StateItem) -> None:
    if item.revision:
        raise ValidationError(
            f"revision: expected 0, got {item.revision}: each store assigns its own"
            " revisions to items"
        )
    if item.updated_at is None:
        raise ValidationError("updated_at: expected a time, got None")
    if item.scope.startswith(OWN_SCOPES):
        raise ValidationError(
            f"scope: {item.scope!r} has the reserved prefix {OWN_SCOPES!r}: such state"
            " is neither exported nor imported"
        )


def _check_times(data: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        time = data.get(name)
        if time is not None and not _RFC_3339.fullmatch(time):
            shown = fields.shown(time)
            raise ValidationError(f"{name}: {shown} is not an RFC 3339 time")


# Section 5.6, to the microsecond: of more digits Python would drop the last ones.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
