"""
The fields of an event, which its class alone names: where else they stand is here.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Collection
from pathlib import Path

import attrs
import pytest

from asm_async.integrations.fastapi.schemas import EventView
from asm_async.integrations.fastapi.stream_routes import event_message
from asm_async.sql.core import rows, tables
from asm_async.testing.factories import make_event
from asm_async.values.event import Event

ROOT = Path(__file__).parents[2]
FIELDS = [field.name for field in attrs.fields(Event)]
FILLED_IN_BY_THE_DATABASE = {"position", "transaction_id"}
INSERT = re.compile(r"INSERT INTO asm_events \(([^)]*)\)")


def columns_of_schema(name: str) -> list[str]:
    """
    Read the columns of asm_events off a file of SQL.
    """
    script = (ROOT / "schema" / name).read_text("utf-8")
    _, _, table = script.partition("CREATE TABLE asm_events (\n")
    lines = table.partition("\n)")[0].splitlines()
    columns = [line.split()[0] for line in lines if line.startswith("    ")]
    return [name for name in columns if name.islower()]


def members_of_the_export() -> Collection[str]:
    """
    Read an event's members off the JSON Schema of exports.
    """
    schema = json.loads((ROOT / "schema" / "export.schema.json").read_bytes())
    members: dict[str, object] = schema["$defs"]["event"]["properties"]
    return members.keys()


def members_of_a_message() -> Collection[str]:
    """
    Read an event's members off a message of a stream.
    """
    message = event_message(make_event(), "1").decode()
    members: dict[str, object] = json.loads(message.partition("data: ")[2])
    return members.keys()


@pytest.mark.parametrize(
    "names",
    [
        make_event().to_dict().keys(),
        rows.event_row(make_event()).keys(),
        [column.name for column in tables.events.c],
        members_of_a_message(),
        members_of_the_export(),
        EventView.model_json_schema()["properties"].keys(),
        inspect.signature(Event).parameters.keys(),
    ],
    ids=["to_dict", "row", "table", "message", "export", "view", "constructor"],
)
def test_what_spells_an_event_has_its_fields_in_their_order(
    names: Collection[str],
) -> None:
    """
    All of them, and nothing else.
    """
    assert list(names) == FIELDS


@pytest.mark.parametrize("name", ["sqlite.sql", "postgresql.sql"])
def test_the_migrations_make_a_column_of_each_field(name: str) -> None:
    """
    What they come to is written down there; the rest the database fills in by itself.
    """
    columns = set(columns_of_schema(name))

    assert columns - FILLED_IN_BY_THE_DATABASE == set(FIELDS)


def test_each_insert_of_events_names_all_fields() -> None:
    """
    One for each database, whose columns are derived from the class, or the same.
    """
    paths = sorted((ROOT / "asm_async" / "sql").rglob("*.py"))
    inserts = [match for path in paths for match in INSERT.findall(path.read_text())]

    assert len(inserts) >= 2
    assert [
        columns
        for columns in inserts
        if "{" not in columns and set(re.findall(r"\w+", columns)) != set(FIELDS)
    ] == []


def test_a_new_event_takes_all_but_its_number() -> None:
    """
    Which the store alone gives.
    """
    parameters = inspect.signature(Event.new).parameters

    assert set(parameters) - {"default"} == set(FIELDS) - {"sequence_number"}


def test_a_stored_event_is_read_in_the_order_of_the_class() -> None:
    """
    Each value becomes the field that stands in its place.
    """
    event = Event.from_stored(FIELDS)

    assert [getattr(event, name) for name in FIELDS] == FIELDS
