from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from asm_async.sql.column_types import (
    JSONText,
    MicrosecondTime,
    TransactionId,
    count,
    text,
    utc_time,
)
from asm_async.testing.strategies import json_values

DIALECT = sqlite.dialect()

TIMES = [
    (datetime(1970, 1, 1, tzinfo=UTC), 0),
    (datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), 1),
    (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
    (datetime.min.replace(tzinfo=UTC), -62_135_596_800_000_000),
    (datetime.max.replace(tzinfo=UTC), 253_402_300_799_999_999),
]


@pytest.mark.parametrize(("time", "number"), TIMES)
def test_a_time_is_a_number_of_microseconds(time: datetime, number: int) -> None:
    """
    Any time from year 1 to year 9999 becomes one exact integer and comes back.
    """
    column_type = MicrosecondTime()

    assert column_type.process_bind_param(time, DIALECT) == number
    assert column_type.process_result_value(number, DIALECT) == time


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_numbers_are_ordered_as_times_are(one: datetime, other: datetime) -> None:
    """
    Comparing two times and comparing their numbers give the same.
    """
    bind = MicrosecondTime().process_bind_param
    first, second = bind(one, DIALECT), bind(other, DIALECT)

    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)


def test_a_time_of_another_zone_is_the_same_moment() -> None:
    """
    What is stored is the moment; it comes back in UTC.
    """
    column_type = MicrosecondTime()
    in_tokyo = datetime(2026, 1, 2, 12, tzinfo=timezone(timedelta(hours=9)))

    number = column_type.process_bind_param(in_tokyo, DIALECT)
    found = column_type.process_result_value(number, DIALECT)

    assert found == in_tokyo
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("column_type", [MicrosecondTime(), JSONText()])
def test_none_is_null(column_type: MicrosecondTime | JSONText) -> None:
    """
    None goes in as NULL, and NULL comes out as None.
    """
    assert column_type.process_bind_param(None, DIALECT) is None
    assert column_type.process_result_value(None, DIALECT) is None


@given(json_values())
def test_json_travels_as_ascii(value: Any) -> None:
    """
    Any JSON value becomes ASCII text without NUL, and comes back equal.
    """
    stored = JSONText().process_bind_param(value, DIALECT)

    if value is not None:
        assert stored is not None
        assert stored.isascii()
        assert "\0" not in stored
    assert JSONText().process_result_value(stored, DIALECT) == value


TABLE = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("id", text(), primary_key=True),
    sa.Column("size", count()),
    sa.Column("made_at", utc_time()),
    sa.Column("data", JSONText),
)


def ddl(dialect: sa.Dialect) -> list[str]:
    """
    Give the columns' types as a database's DDL names them.
    """
    return [column.type.compile(dialect=dialect) for column in TABLE.c]


def test_each_database_has_its_types() -> None:
    """
    PostgreSQL orders text by code point; SQLite keeps numbers and times as integers.
    """
    assert ddl(postgresql.dialect())[:3] == [
        'VARCHAR(255) COLLATE "C"',
        "BIGINT",
        "TIMESTAMP WITH TIME ZONE",
    ]
    assert ddl(DIALECT)[:3] == ["VARCHAR(255)", "INTEGER", "INTEGER"]
    assert TransactionId().compile(dialect=postgresql.dialect()) == "XID8"


@pytest.mark.parametrize(
    ("dialect", "column"), [(postgresql.dialect(), "JSON"), (DIALECT, "TEXT")]
)
def test_json_goes_and_comes_as_text(dialect: sa.Dialect, column: str) -> None:
    """
    Statements cast both ways, so that no serialiser of the engine's has a say.
    """
    selected = str(sa.select(TABLE.c.data).compile(dialect=dialect))
    inserted = str(sa.insert(TABLE).values(id="a", data={}).compile(dialect=dialect))

    assert selected.startswith("SELECT CAST(things.data AS TEXT) AS data")
    assert f"AS {column})" in inserted
