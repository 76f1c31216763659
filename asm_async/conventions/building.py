"""
What all builders of events have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias, TypedDict, cast

from asm_async.conventions.layouts import LAYOUTS, checked
from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event, EventType

Content: TypeAlias = str | Sequence[Mapping[str, Any]]
"""
The content of a message: text, or a list of parts, each an object with a ``type``.
"""


class SharedOptions(TypedDict, total=False):
    """
    What events have in common that are made together.
    """

    run_id: str | None
    """
    The run it happened in.
    """

    correlation_id: str | None
    """
    What ties it to events and traces elsewhere.
    """

    provider: str | None
    """
    The provider of the model.
    """

    metadata: Mapping[str, Any]
    """
    Further data of the application.
    """


class EventOptions(SharedOptions, total=False):
    """
    What every builder takes beside the members of its layout.
    """

    id: str
    """
    The event's name, unique in its session; a new one unless given.
    """

    timestamp: datetime
    """
    When it happened, an aware time; now unless given.
    """

    schema_version: int
    """
    The version of *data*'s shape, in the application's own count.
    """

    data: Mapping[str, Any]
    """
    Further members of *data*, of the application's own.
    """


def build_event(
    event_type: EventType,
    session_id: str,
    options: EventOptions,
    **members: Any,
) -> Event:
    """
    Return an event whose data has these members; those that are None are left out.

    Raises:
        TypeError: If there is no such option.

        ValidationError: Naming the member or the field that is wrong.
    """
    data: dict[str, Any] = {}
    for member in LAYOUTS[event_type]:
        value = checked(member, members[member.name], member.name)
        if value is not None or (member.is_required and member.kind.takes_none):
            data[member.name] = value
    others: dict[str, Any] = {**options}
    given: Any = others.pop("data", {})
    if not isinstance(given, Mapping):
        raise fields.unexpected("data", "a JSON object", given)
    own = cast("Mapping[str, Any]", given)
    for name in members:
        if name in own:
            raise ValidationError(f"data[{name!r}]: pass it as the argument {name}")
    # The event checks and copies it.
    return Event.new(
        type=event_type, session_id=session_id, data={**data, **own}, **others
    )
