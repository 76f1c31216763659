from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.types import TypeEngine

from asm_async.sql.core.column_types import (
    EventTypeText,
    JSONText,
    MicrosecondTime,
    TransactionId,
    count,
    text,
    utc_time,
)
from asm_async.testing.strategies import json_values
from asm_async.values.event import EventType

SQLITE = sa.make_url("sqlite://").get_dialect()()
POSTGRESQL = sa.make_url("postgresql+asyncpg://").get_dialect()()

TIMES = [
    (datetime(1970, 1, 1, tzinfo=UTC), 0),
    (datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1),
    (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
    (datetime.min.replace(tzinfo=UTC), -62_135_596_800_000_000),
    (datetime.max.replace(tzinfo=UTC), 253_402_300_799_999_999),
]


def stored(
    column_type: TypeEngine[Any], value: object, dialect: sa.Dialect = SQLITE
) -> Any:
    """
    Turn a value into what the driver gets.
    """
    process = column_type.dialect_impl(dialect).bind_processor(dialect)
    return process(value) if process else value


def read(
    column_type: TypeEngine[Any], found: object, dialect: sa.Dialect = SQLITE
) -> Any:
    """
    Turn what the driver gives into a value.
    """
    process = column_type.dialect_impl(dialect).result_processor(dialect, None)
    return process(found) if process else found


@pytest.mark.parametrize(("time", "number"), TIMES)
def test_a_time_is_a_number_of_microseconds(time: datetime, number: int) -> None:
    """
    Any time from year 1 to year 9999 becomes one exact integer and comes back.
    """
    assert stored(utc_time(), time) == number
    assert read(utc_time(), number) == time


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_numbers_are_ordered_as_times_are(one: datetime, other: datetime) -> None:
    """
    Comparing two times and comparing their numbers give the same.
    """
    column_type = MicrosecondTime()

    assert (stored(column_type, one) < stored(column_type, other)) == (one < other)


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    """
    What is stored is the moment; it comes back in UTC.
    """
    in_tokyo = datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=9)))
    found = read(utc_time(), stored(utc_time(), in_tokyo))

    assert found == in_tokyo
    assert found.tzinfo is UTC


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL])
@pytest.mark.parametrize("column_type", [utc_time(), JSONText(), text()])
def test_none_is_null(column_type: TypeEngine[Any], dialect: sa.Dialect) -> None:
    """
    None goes in as NULL, and NULL comes out as None.
    """
    assert stored(column_type, None, dialect) is None
    assert read(column_type, None, dialect) is None


@given(json_values())
def test_json_travels_as_ascii(value: Any) -> None:
    """
    Any JSON value becomes ASCII text without NUL, and comes back equal.
    """
    written = stored(JSONText(), value)

    if value is not None:
        assert written.isascii()
        assert "\0" not in written
    assert read(JSONText(), written) == value


def test_an_event_type_is_an_enum_where_it_is_known() -> None:
    """
    Our own types come back as members, an application's as the text that it gave.
    """
    assert read(EventTypeText(), "message_sent") is EventType.MESSAGE_SENT
    assert read(EventTypeText(), "myapp.plan_revised") == "myapp.plan_revised"


TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", text(), primary_key=True),
    sa.Column("size", count()),
    sa.Column("made_at", utc_time()),
    sa.Column("data", JSONText()),
)


def ddl(dialect: sa.Dialect) -> list[str]:
    """
    Return the columns' types as a database's DDL names them.
    """
    return [column.type.compile(dialect=dialect) for column in TABLE.c]


def test_each_database_has_its_types() -> None:
    """
    PostgreSQL orders text by code point; SQLite keeps numbers and times as integers.
    """
    assert ddl(POSTGRESQL)[:3] == [
        'VARCHAR(255) COLLATE "C"',
        "BIGINT",
        "TIMESTAMP WITH TIME ZONE",
    ]
    assert ddl(SQLITE)[:3] == ["VARCHAR(255)", "INTEGER", "INTEGER"]
    assert TransactionId().compile(dialect=POSTGRESQL) == "XID8"


@pytest.mark.parametrize(
    ("dialect", "column"), [(POSTGRESQL, "JSON"), (SQLITE, "TEXT")]
)
def test_json_goes_and_comes_as_text(dialect: sa.Dialect, column: str) -> None:
    """
    Statements cast both ways, so that no serialiser of the engine's has a say.
    """
    selected = str(sa.select(TABLE.c.data).compile(dialect=dialect))
    inserted = str(sa.insert(TABLE).values(id="a", data={}).compile(dialect=dialect))

    assert selected.startswith("SELECT CAST(things.data AS TEXT) AS data")
    assert f"AS {column})" in inserted
