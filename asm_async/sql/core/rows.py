"""
Rows as values and values as rows: the only place that knows both shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter, itemgetter
from typing import Any, TypeAlias

import attrs
import sqlalchemy as sa

from asm_async.errors import StorageError
from asm_async.sql.core import tables
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus

Row: TypeAlias = Mapping[str, Any] | sa.RowMapping


def _names(kind: type[attrs.AttrsInstance]) -> list[str]:
    return [field.name for field in attrs.fields(kind)]


_session_fields: Callable[[Row], tuple[Any, ...]] = itemgetter(*_names(Session))
_run_fields: Callable[[Row], tuple[Any, ...]] = itemgetter(*_names(Run))
_artifact_fields: Callable[[Row], tuple[Any, ...]] = itemgetter(*_names(Artifact))


def _places(
    kind: type[attrs.AttrsInstance], table: sa.Table
) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    columns = [column.name for column in table.c]
    return itemgetter(*map(columns.index, _names(kind)))


_session_places = _places(Session, tables.sessions)
_run_places = _places(Run, tables.runs)


def _as_row(table: sa.Table) -> Callable[[Any], dict[str, Any]]:
    names = [column.name for column in table.c]
    values = attrgetter(*names)
    return lambda value: dict(zip(names, values(value), strict=True))


session_row: Callable[[Session], dict[str, Any]] = _as_row(tables.sessions)
run_row: Callable[[Run], dict[str, Any]] = _as_row(tables.runs)
event_row: Callable[[Event], dict[str, Any]] = _as_row(tables.events)
artifact_row: Callable[[Artifact], dict[str, Any]] = _as_row(tables.artifacts)
"""
Return the columns that the database does not fill in by itself.
"""

# What a column does not hold as a value has it, by its place among the fields. All else
# is as it was stored, and is not checked again: for a row, that takes ten times as long
# as all the rest.
_OF_SESSION: Mapping[int, Callable[[Any], Any]] = {
    _names(Session).index("status"): SessionStatus,
    _names(Session).index("tags"): tuple,
}
_OF_RUN: Mapping[int, Callable[[Any], Any]] = {
    _names(Run).index("status"): RunStatus,
}


def session_from_row(row: Row) -> Session:
    """
    Make a session of the columns of asm_sessions.
    """
    values = list(_session_fields(row))
    return Session.from_stored(_converted(values, _OF_SESSION, tables.sessions))


def session_of(values: Sequence[Any]) -> Session:
    """
    Make a session of the values of all columns of asm_sessions, in their order.
    """
    fields = list(_session_places(values))
    return Session.from_stored(_converted(fields, _OF_SESSION, tables.sessions))


def tag_rows(session: Session) -> list[dict[str, Any]]:
    """
    Return the rows of asm_session_tags.
    """
    return [{"session_id": session.id, "tag": tag} for tag in session.tags]


def run_from_row(row: Row) -> Run:
    """
    Make a run of the columns of asm_runs.
    """
    values = list(_run_fields(row))
    return Run.from_stored(_converted(values, _OF_RUN, tables.runs))


def run_of(values: Sequence[Any]) -> Run:
    """
    Make a run of the values of all columns of asm_runs, in their order.
    """
    fields = list(_run_places(values))
    return Run.from_stored(_converted(fields, _OF_RUN, tables.runs))


def stored_event_row(event: Event, texts: tuple[str, str]) -> dict[str, Any]:
    """
    Return the columns of asm_events, with its JSON as it is stored.
    """
    data, metadata = texts
    return {**event_row(event), "data": data, "metadata": metadata}


def artifact_from_row(row: Row) -> Artifact:
    """
    Make an artifact of the columns of asm_artifacts.
    """
    return Artifact.from_stored(_artifact_fields(row))


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


def _converted(
    values: list[Any], converters: Mapping[int, Callable[[Any], Any]], table: sa.Table
) -> list[Any]:
    try:
        for place, convert in converters.items():
            values[place] = convert(values[place])
    except (TypeError, ValueError) as error:
        raise _damaged(table, error) from error
    return values


def _damaged(table: sa.Table, error: Exception) -> StorageError:
    """
    Say that a row is none of ours: the caller, who only reads, has done nothing wrong.
    """
    return StorageError(
        f"damaged: {table.name} holds a row that was never stored: {error}"
    )
