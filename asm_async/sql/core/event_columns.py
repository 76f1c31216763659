"""
The columns of an event, in the order in which the fast statements write them.

They are the fields of :class:`~asm_async.values.event.Event`, and named only there.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

import attrs

from asm_async.values.event import Event

_WRITTEN_LAST = ("session_id", "sequence_number", "data", "metadata")
_FIRST = tuple(
    field.name for field in attrs.fields(Event) if field.name not in _WRITTEN_LAST
)

leading_values: Callable[[Event], tuple[Any, ...]] = attrgetter(*_FIRST)
"""
Return an event's values up to those of the session, the number and the two texts.
"""

EVENT_COLUMNS: tuple[str, ...] = (*_FIRST, *_WRITTEN_LAST)
"""
All columns that a statement which inserts events names.
"""

EventValues: TypeAlias = tuple[Any, ...]
"""
An event's values in the order of :data:`EVENT_COLUMNS`, JSON as text.
"""
