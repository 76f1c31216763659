"""
How a value lies in a column.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.types import TypeEngine, UserDefinedType

from asm_async.errors import StorageError
from asm_async.values.event import known_event_type
from asm_async.values.json_values import EncodedJSON, decode_json, encode_json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def text(length: int = 255) -> TypeEngine[str]:
    """
    Make the type of an id or other short text.

    Both databases compare it by code point, as Python does: SQLite by default,
    PostgreSQL because of the collation.
    """
    by_code_point = sa.String(length, collation="C")
    return sa.String(length).with_variant(by_code_point, "postgresql")


def count() -> TypeEngine[int]:
    """
    Make the type of a number from 0 to 2**53 - 1.
    """
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def microseconds(time: datetime) -> int:
    """
    Return the number of microseconds from 1970 to an aware *time*.
    """
    return (time - EPOCH) // MICROSECOND


def _time_from(number: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=number)
    except (OverflowError, TypeError) as error:
        raise StorageError(
            f"damaged: the stored time {number!r} cannot be read"
        ) from error


def _in_utc(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


class Processor(Protocol):
    """
    What SQLAlchemy calls for each value.
    """

    def __call__(self, value: Any) -> Any:
        """
        Convert it, on its way to the driver or back.
        """
        ...


def nullable(convert: Callable[[Any], Any]) -> Processor:
    """
    Let NULL be None, and *convert* everything else.
    """

    def process(value: Any) -> Any:
        return None if value is None else convert(value)

    return process


def utc_time() -> TypeEngine[datetime]:
    """
    Make the type of an aware UTC time with microseconds.
    """
    return ZonedTime().with_variant(MicrosecondTime(), "sqlite")


# The types below hand SQLAlchemy the functions that do the work: a TypeDecorator
# would put two more calls around each value.


class ZonedTime(UserDefinedType[datetime]):
    """
    A time as PostgreSQL has it.
    """

    cache_ok: bool | None = True

    def get_col_spec(self, **_: object) -> str:
        return "TIMESTAMP WITH TIME ZONE"

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        """
        Return a time with its zone, also the first and the last time there is.

        asyncpg writes them as minus infinity and infinity and reads them without one.
        """
        return nullable(_in_utc)


class MicrosecondTime(UserDefinedType[datetime]):
    """
    A time as the number of microseconds since 1970: exact, and ordered as time is.
    """

    cache_ok: bool | None = True

    def get_col_spec(self, **_: object) -> str:
        return "INTEGER"

    def bind_processor(self, dialect: sa.Dialect) -> Processor:
        return nullable(microseconds)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(_time_from)


class EventTypeText(UserDefinedType[str]):
    """
    An event's type: an ``EventType`` where it is one, else the application's own text.
    """

    cache_ok: bool | None = True

    def get_col_spec(self, **_: object) -> str:
        return "VARCHAR(255)"

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return known_event_type


class JSONText(UserDefinedType[Any]):
    """
    A JSON value as ASCII text, in a ``json`` column where the database has one.

    Both ways it travels as text, so that neither the engine's own JSON serialiser nor a
    codec of the driver can change it. SQL operators never look inside: one NUL or lone
    surrogate would make them fail for the whole table.
    """

    cache_ok: bool | None = True
    COLUMN = sa.Text().with_variant(sa.JSON(), "postgresql")

    def get_col_spec(self, **_: object) -> str:
        return "JSON"

    def bind_processor(self, dialect: sa.Dialect) -> Processor:
        return nullable(encode_json)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(decode_json)

    def bind_expression(
        self, bindvalue: sa.BindParameter[Any]
    ) -> sa.ColumnElement[Any]:
        """
        Send text and let the database check that it is JSON.
        """
        return sa.cast(sa.cast(sa.type_coerce(bindvalue, self), sa.Text), self.COLUMN)

    def column_expression(
        self, colexpr: sa.ColumnElement[Any]
    ) -> sa.ColumnElement[Any]:
        """
        Read text, whatever the driver would make of a ``json`` column.
        """
        return sa.type_coerce(sa.cast(colexpr, sa.Text), self)


def without(
    columns: Iterable[sa.ColumnElement[Any]], names: Collection[str]
) -> list[sa.ColumnElement[Any]]:
    """
    Return columns in their order, with an empty object in place of those *names*.
    """
    return [
        sa.literal_column("'{}'", JSONText()) if column.key in names else column
        for column in columns
    ]


class EncodedJSONText(JSONText):
    """
    The same, read as the text that it is.
    """

    cache_ok: bool | None = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(EncodedJSON)


# What adapters look at themselves.
_ALWAYS_DECODED = frozenset({"tags", "token_usage"})


def undecoded(columns: Iterable[sa.ColumnElement[Any]]) -> list[Any]:
    """
    Return columns in their order, with JSON as the text in which it is stored.
    """
    return [
        sa.type_coerce(column, EncodedJSONText())
        if isinstance(column.type, JSONText) and column.key not in _ALWAYS_DECODED
        else column
        for column in columns
    ]


def is_behind(
    place: Iterable[Any],
    order: Sequence[sa.ColumnElement[Any]],
    *,
    is_descending: bool = False,
) -> sa.ColumnElement[bool]:
    """
    Make the condition that a row comes after *place*, which has a value of each column.

    A key is compared as a whole, which both databases turn into one range of an index.
    """
    parts = zip(place, order, strict=True)
    reached = sa.tuple_(*(sa.literal(value, column.type) for value, column in parts))
    key = sa.tuple_(*order)
    return key < reached if is_descending else key > reached


def as_stored(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """
    Make the parameter of a column's name, which holds JSON as text already.
    """
    if not isinstance(column.type, JSONText):
        return sa.bindparam(column.name, type_=column.type)
    return sa.cast(sa.bindparam(column.name, type_=sa.Text()), column.type.COLUMN)


class WholeSum(UserDefinedType[int]):
    """
    A whole number of any size, which *convert* makes of what the database returns.
    """

    cache_ok: bool | None = True

    def __init__(self, convert: Callable[[Any], int]) -> None:
        self.convert = convert

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(self.convert)


class TransactionId(UserDefinedType[str]):
    """
    PostgreSQL's ``xid8``: a transaction's number, which never wraps around.
    """

    cache_ok: bool | None = True

    def get_col_spec(self, **_: object) -> str:
        return "XID8"
