"""
Rows as values and values as rows: the only place that knows both shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias, TypeVar

import attrs
import sqlalchemy as sa

from asm_async.errors import StorageError
from asm_async.sql.core import tables
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem

V = TypeVar("V", Session, Run, Artifact, StateItem)


LAST_ACTIVITY: sa.Label[datetime] = (
    sa.select(tables.session_sequences.c.updated_at)
    .where(tables.session_sequences.c.session_id == tables.sessions.c.id)
    .correlate(tables.sessions)
    .scalar_subquery()
    .label("last_activity_at")
)
"""
When a session was last written to, of which its own row says nothing.
"""

SESSION_COLUMNS: tuple[sa.ColumnElement[Any], ...] = (
    *tables.sessions.c,
    LAST_ACTIVITY,
)
"""
What is read of a session: its row, and when it was last written to.
"""


def columns_of(table: sa.Table) -> Sequence[sa.ColumnElement[Any]]:
    """
    Return what is read of *table* to make its values.
    """
    return SESSION_COLUMNS if table is tables.sessions else tuple(table.c)


def _as_row(table: sa.Table) -> Callable[[Any], dict[str, Any]]:
    names = [column.name for column in table.c if column.name != "operation_id"]
    values = attrgetter(*names)
    return lambda value: dict(zip(names, values(value), strict=True))


session_row: Callable[[Session], dict[str, Any]] = _as_row(tables.sessions)
run_row: Callable[[Run], dict[str, Any]] = _as_row(tables.runs)
event_row: Callable[[Event], dict[str, Any]] = _as_row(tables.events)
artifact_row: Callable[[Artifact], dict[str, Any]] = _as_row(tables.artifacts)
item_row: Callable[[StateItem], dict[str, Any]] = _as_row(tables.state_items)
"""
Return the columns that hold the fields of a value.
"""


def _reader(
    kind: type[V], table: sa.Table, **converters: Callable[[Any], Any]
) -> Callable[[Sequence[Any]], V]:
    names = [field.name for field in attrs.fields(kind)]
    columns = [str(column.key) for column in columns_of(table)]
    fields_of = itemgetter(*map(columns.index, names))
    conversions = [(names.index(name), made) for name, made in converters.items()]

    def read(row: Sequence[Any]) -> V:
        # All but what is converted is as it was stored, and is not checked again: for a
        # row, that takes ten times as long as all the rest.
        values = list(fields_of(row))
        try:
            for place, convert in conversions:
                values[place] = convert(values[place])
        except (TypeError, ValueError) as error:
            raise _damaged(table, error) from error
        return kind.from_stored(values)

    return read


session_of: Callable[[Sequence[Any]], Session] = _reader(
    Session, tables.sessions, status=SessionStatus, tags=tuple
)
run_of: Callable[[Sequence[Any]], Run] = _reader(Run, tables.runs, status=RunStatus)
artifact_of: Callable[[Sequence[Any]], Artifact] = _reader(Artifact, tables.artifacts)
item_of: Callable[[Sequence[Any]], StateItem] = _reader(StateItem, tables.state_items)
"""
Make a value of the values of :func:`columns_of` its table, in their order.
"""


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
All columns of an event, in the order in which the fast statements write them.
"""

EventValues: TypeAlias = tuple[Any, ...]
"""
An event's values in the order of :data:`EVENT_COLUMNS`, JSON as text.
"""


def tag_rows(session: Session) -> list[dict[str, Any]]:
    """
    Return the rows of asm_session_tags.
    """
    return [{"session_id": session.id, "tag": tag} for tag in session.tags]


def stored_event_row(event: Event, texts: tuple[str, str]) -> dict[str, Any]:
    """
    Return the columns of asm_events, with its JSON as it is stored.
    """
    data, metadata = texts
    return {**event_row(event), "data": data, "metadata": metadata}


def stored_item_row(
    item: StateItem, text: str | None, operation_id: str
) -> dict[str, Any]:
    """
    Return the columns of asm_state_items, with its JSON as it is stored.
    """
    return {**item_row(item), "data": text, "operation_id": operation_id}


@contextmanager
def reading(table: sa.Table) -> Generator[None]:
    """
    Raise what no row of *table* should hold as an error of the storage.

    Raises:
        StorageError: In place of any ``ValueError`` inside.
    """
    try:
        yield
    except ValueError as error:
        raise _damaged(table, error) from error


def _damaged(table: sa.Table, error: Exception) -> StorageError:
    """
    Return the error of a row that is none of ours: the caller has done nothing wrong.
    """
    return StorageError(
        f"damaged: {table.name} holds a row that asm_async cannot have written: {error}"
    )
