"""
What all ways from a provider's messages to events have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias, cast

from asm_async.conventions import EventOptions
from asm_async.conventions.building import SharedOptions
from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.ids import new_event_id

Members: TypeAlias = Mapping[str, Any]
"""
An object of a provider.
"""


class ImportOptions(SharedOptions, total=False):
    """
    The common fields of events that are made from a provider's messages.
    """

    id_prefix: str
    """
    The beginning of the events' ids, before 1, 2, 3 and so on: with it, and a
    *timestamp*, the same messages make the same events. New ids unless given.
    """

    timestamp: datetime
    """
    When it was said, for all; the present time of each unless given.
    """


class EventMaker:
    """
    Makes the events of one list of messages, one after the other.
    """

    def __init__(self, session_id: str, options: ImportOptions) -> None:
        others: dict[str, Any] = {**options}
        self._prefix = fields.optional(
            others.pop("id_prefix", None), "id_prefix", fields.text
        )
        self._session_id = session_id
        self._options = cast("EventOptions", others)
        self._names: dict[str, str] = {}
        self.events: list[Event] = []

    def next_id(self) -> str:
        """
        Return the id of the event that is made next.
        """
        if self._prefix is None:
            return new_event_id()
        return f"{self._prefix}{len(self.events) + 1}"

    def add(
        self,
        place: str,
        build: Callable[..., Event],
        *,
        event_id: str | None = None,
        own: Members | None = None,
        form: str = "",
        **members: Any,
    ) -> None:
        """
        Make an event of what stands at *place*; *own* has only that *form* a place for.

        Raises:
            ValidationError: Beginning with *place*.
        """
        options: dict[str, Any] = {**self._options, **members}
        if own:
            options["provider_data"] = {form: dict(own)}
        try:
            event = build(
                session_id=self._session_id,
                id=self.next_id() if event_id is None else event_id,
                **options,
            )
        except ValidationError as error:
            raise ValidationError(f"{place}: {error}") from error
        self.events.append(event)

    def name_call(self, call_id: str, name: str) -> None:
        """
        Remember which tool a call is of: results name the call alone.
        """
        self._names[call_id] = name

    def name_of(self, call_id: str, given: object = None) -> str:
        """
        Return which tool a call is of.
        """
        name = given or self._names.get(call_id)
        return name if isinstance(name, str) else "unknown"


def mappings(value: object, place: str) -> list[tuple[str, Members]]:
    """
    Return each member of a list of objects, with its path.

    Raises:
        ValidationError: Naming what is no list or no object.
    """
    objects = fields.tuple_of(value, place, mapping)
    return [(f"{place}[{index}]", each) for index, each in enumerate(objects)]


def mapping(value: object, place: str) -> Members:
    """
    Accept a plain object, or one of an SDK, of which it takes what was set.

    Raises:
        ValidationError: If it is none.
    """
    dump = getattr(value, "model_dump", None)
    plain = dump(mode="json", exclude_unset=True) if callable(dump) else value
    if not isinstance(plain, Mapping):
        raise fields.unexpected(place, "an object", value)
    return cast("Members", plain)


def text_at(members: Members, name: str, place: str) -> str:
    """
    Return the text that stands under *name*.

    Raises:
        ValidationError: If there is none.
    """
    value = members.get(name)
    if not isinstance(value, str):
        raise fields.unexpected(f"{place}[{name!r}]", "text", value)
    return value


def without(members: Members, *names: str) -> dict[str, Any]:
    """
    Return the members that do not have one of these *names*.
    """
    return {name: value for name, value in members.items() if name not in names}


def content_at(members: Members, name: str, place: str) -> Any:
    """
    Return the text or the list of parts that stands under *name*.

    Raises:
        ValidationError: If it is neither.
    """
    value = members.get(name)
    if isinstance(value, str):
        return value
    path = f"{place}[{name!r}]"
    if not isinstance(value, list):
        raise fields.unexpected(path, "text or a list of parts", value)
    parts = mappings(cast("object", value), path)
    for part_path, part in parts:
        text_at(part, "type", part_path)
    return [part for _, part in parts]
