"""
What an export is made of.

An export is a header, any number of sessions, and an end. A session is a line of its
own, then its runs, in the order they were started, then by id, then its events, oldest
first, then its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = [
    "EXPORT_FORMAT",
    "EXPORT_VERSION",
    "ExportEnd",
    "ExportHeader",
    "ExportRecord",
    "ExportedSession",
    "ExportedSessionEnd",
    "stored_value",
]

V = TypeVar("V", Session, Run, Event)

EXPORT_FORMAT = "asm_async.export"
"""
What the header of every export says that it is.
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
class _PlainRecord:
    """
    A record of nothing but figures and texts: a subclass has a rule for each.
    """

    _RULES: ClassVar[fields.FieldRules]

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)

    def to_dict(self) -> dict[str, Any]:
        """
        Give the record as plain JSON.
        """
        return fields.plain_fields(self, self._RULES)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make a record of what :meth:`to_dict` gave; all fields are required.
        """
        return cls(**fields.arguments_from(data, cls._RULES, frozenset(cls._RULES)))


@attrs.frozen(kw_only=True)
class ExportHeader(_PlainRecord):
    """
    The first line of an export.
    """

    format: str = EXPORT_FORMAT
    """
    That it is an export.
    """

    version: int = EXPORT_VERSION
    """
    The version of the format.
    """

    _RULES: ClassVar[fields.FieldRules] = {"format": _format, "version": _version}


@attrs.frozen(kw_only=True)
class ExportedSession:
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

    latest_sequence: int
    """
    The latest number it has given to an event.
    """

    pruned_count: int
    """
    How many of its numbers belong to events that are stored no longer.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "session": partial(fields.instance, kind=Session),
        "latest_sequence": fields.count,
        "pruned_count": fields.count,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
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

    def to_dict(self) -> dict[str, Any]:
        """
        Give the record as plain JSON.
        """
        return {
            "session": self.session.to_dict(),
            "latest_sequence": self.latest_sequence,
            "pruned_count": self.pruned_count,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ExportedSession:
        """
        Make a record of what :meth:`to_dict` gave; all fields are required.
        """
        given = fields.arguments_from(data, cls._RULES, frozenset(cls._RULES))
        session = stored_value(given.pop("session"), Session)
        return cls(session=session, **given)


@attrs.frozen(kw_only=True)
class ExportedSessionEnd(_PlainRecord):
    """
    The last line of a session: what came since its first.
    """

    session_id: str
    """
    Whose end it is.
    """

    run_count: int
    """
    How many runs it has.
    """

    event_count: int
    """
    How many events it has.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.text,
        "run_count": fields.count,
        "event_count": fields.count,
    }


@attrs.frozen(kw_only=True)
class ExportEnd(_PlainRecord):
    """
    The last line of an export, without which it is not whole.
    """

    session_count: int
    """
    How many sessions it has.
    """

    run_count: int
    """
    How many runs they have together.
    """

    event_count: int
    """
    How many events they have together.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "session_count": fields.count,
        "run_count": fields.count,
        "event_count": fields.count,
    }


ExportRecord: TypeAlias = (
    ExportHeader | ExportedSession | Run | Event | ExportedSessionEnd | ExportEnd
)


def stored_value(value: object, kind: type[V]) -> V:
    """
    Make a session, run or event of its JSON, as :meth:`from_dict` does; it was stored.

    Raises:
        ValidationError: If it carries no revision or sequence number, or a time is more
            or less than RFC 3339 says, which would be lost; the message begins with the
            path of the culprit.
    """
    name = kind.__name__.lower()
    if not isinstance(value, dict):
        raise fields.unexpected(name, "a JSON object", value)
    data = cast("dict[str, Any]", value)
    try:
        made = kind.from_dict(data)
        _check_given_by_store(made)
        _check_times(data, _TIMES[kind])
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None
    return made


def _check_given_by_store(value: Session | Run | Event) -> None:
    if isinstance(value, Event):
        if not value.sequence_number:
            raise ValidationError("sequence_number: expected at least 1, got 0")
    elif not value.revision:
        raise ValidationError("revision: expected at least 1, got 0")


def _check_times(data: Mapping[str, Any], names: Iterable[str]) -> None:
    for name in names:
        time = data.get(name)
        if time is not None and not _RFC_3339.fullmatch(time):
            shown = fields.shown(time)
            raise ValidationError(f"{name}: {shown} is not an RFC 3339 time")


_TIMES: Mapping[type[Session | Run | Event], tuple[str, ...]] = MappingProxyType(
    {
        Session: ("created_at", "updated_at", "deleted_at"),
        Run: ("started_at", "ended_at"),
        Event: ("timestamp",),
    }
)
# Section 5.6, to the microsecond: of more digits Python would drop the last ones.
_RFC_3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)
