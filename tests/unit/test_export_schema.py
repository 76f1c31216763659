"""
The JSON Schema of an export says what exports are, and what imports refuse.

An import does not read the schema: the rules of the values say the same and more. That
they do is proved here.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from asm_async.errors import ValidationError
from asm_async.testing import strategies
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event, EventType
from asm_async.values.export_lines import decode_record, encode_record
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
    ExportRecord,
)
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem
from tests.effort import examples

JSONRecord: TypeAlias = dict[str, Any]

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schema" / "export.schema.json").read_text("utf-8")
)
# The stubs of jsonschema know some of their types only in part.
VALIDATOR: Any = Draft202012Validator(SCHEMA)
MANY_EXAMPLES = settings(
    max_examples=examples(150),
)

# One of each kind, with every field set.
RECORDS: dict[str, ExportRecord] = {
    "header": ExportHeader(),
    "session": ExportedSession(
        session=make_session(
            revision=1,
            tenant_id="tenant",
            user_id="user",
            parent_session_id="ses_0",
            last_activity_at=NOON,
            tags=("a",),
            deleted_at=NOON,
        ),
        latest_sequence=3,
        pruned_count=1,
    ),
    "run": make_run(
        revision=1,
        ended_at=NOON + timedelta(microseconds=1),
        error={"reason": "none"},
        token_usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        provider="provider",
        cost_usd=0.5,
    ),
    "artifact": make_artifact(
        session_id="ses_1",
        run_id="run_1",
        content_type="text/plain",
        metadata={"pages": 1},
        deleted_at=NOON,
    ),
    "state_item": make_item(
        data={"n": [1]},
        content=b"\0\xff",
        session_id="ses_1",
        updated_at=NOON,
    ),
    "event": make_event(
        sequence_number=1,
        run_id="run_1",
        provider="provider",
        correlation_id="correlation",
    ),
    "session_end": ExportedSessionEnd(
        session_id="ses_1", run_count=1, artifact_count=3, item_count=4, event_count=2
    ),
    "end": ExportEnd(
        session_count=1, run_count=1, artifact_count=3, item_count=4, event_count=2
    ),
}

# What may stand where something else is expected.
STRANGERS: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    1.0,
    1.5,
    2**53,
    1e16,
    "",
    "a",
    "a.b",
    "asm.b",
    "asm.events_retracted",
    "asm.events_retracted.b",
    "a\0b",
    "\ud800",
    "x" * 255,
    "x" * 256,
    "pending",
    "2026-01-02T12:00:00Z",
    "2026-01-02T12:00:00+01:30",
    "2026-01-02T12:00:00.1+00:00",
    "2026-01-02T12:00:00.1234567+00:00",
    "2026-01-02T12:00:00",
    "2026-01-02 12:00:00+00:00",
    "2026-01-02T12:00:00+00:00\n",
    "2026-W01-5T12:00:00+00:00",
    [],
    ["a", ""],
    {},
    {"input_tokens": -1},
    {"input_tokens": "1"},
]


def is_in_schema(record: Any) -> bool:
    """
    Return whether the schema accepts a record.
    """
    return bool(VALIDATOR.is_valid(record))


def is_imported(record: Any) -> bool:
    """
    Return whether an import accepts a record's line.
    """
    try:
        decode_record(json.dumps(record).encode())
    except ValidationError:
        return False
    return True


def paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """
    Yield the path of each member of objects within objects.
    """
    if isinstance(value, dict):
        for key, member in cast("JSONRecord", value).items():
            yield (*path, key)
            yield from paths(member, (*path, key))


def changed(record: JSONRecord, path: tuple[str, ...], value: Any) -> JSONRecord:
    """
    Copy a record with another value somewhere in it.
    """
    copied = copy.deepcopy(record)
    *steps, last = path
    place = copied
    for step in steps:
        place = place[step]
    place[last] = value
    return copied


def without(record: JSONRecord, path: tuple[str, ...]) -> JSONRecord:
    """
    Copy a record with something left out.
    """
    copied = copy.deepcopy(record)
    *steps, last = path
    place = copied
    for step in steps:
        place = place[step]
    del place[last]
    return copied


@st.composite
def export_records(draw: st.DrawFn) -> ExportRecord:  # noqa: PLR0911 - one a kind
    """
    Make any record that an export may hold.
    """
    revision = draw(st.integers(1, 2**53 - 1))
    counts = strategies.counts()
    match draw(st.sampled_from(sorted(RECORDS))):
        case "session":
            pruned = draw(st.integers(0, 2**52))
            deleted_at = draw(st.none() | strategies.times())
            return ExportedSession(
                session=attrs.evolve(
                    draw(strategies.sessions()),
                    revision=revision,
                    deleted_at=deleted_at,
                ),
                latest_sequence=pruned + draw(st.integers(0, 2**52 - 1)),
                pruned_count=pruned,
            )
        case "run":
            return attrs.evolve(draw(strategies.runs()), revision=revision)
        case "artifact":
            deleted_at = draw(st.none() | strategies.times())
            return attrs.evolve(draw(strategies.artifacts()), deleted_at=deleted_at)
        case "state_item":
            return draw(strategies.state_items())
        case "event":
            return attrs.evolve(draw(strategies.events()), sequence_number=revision)
        case "session_end":
            return ExportedSessionEnd(
                session_id=draw(strategies.ids()),
                run_count=draw(counts),
                artifact_count=draw(counts),
                item_count=draw(counts),
                event_count=draw(counts),
            )
        case "end":
            return ExportEnd(
                session_count=draw(counts),
                run_count=draw(counts),
                artifact_count=draw(counts),
                item_count=draw(counts),
                event_count=draw(counts),
            )
        case _:
            return ExportHeader()


def test_the_schema_is_one() -> None:
    """
    It obeys JSON Schema's own, of 2020-12.
    """
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_names_every_field_and_every_choice() -> None:
    """
    It has the fields of the values, all statuses and all types of events.
    """
    parts = SCHEMA["$defs"]

    for name, kind in (
        ("session", Session),
        ("run", Run),
        ("artifact", Artifact),
        ("state_item", StateItem),
        ("event", Event),
    ):
        fields = {field.name for field in attrs.fields(kind)}
        assert set(parts[name]["properties"]) == fields
    session_status = parts["session"]["properties"]["status"]["enum"]
    assert session_status == [status.value for status in SessionStatus]
    run_status = parts["run"]["properties"]["status"]["enum"]
    assert run_status == [status.value for status in RunStatus]
    types = parts["event_type"]["anyOf"][0]["enum"]
    assert types == [type_.value for type_ in EventType]


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_of_each_kind_is_in_the_schema(name: str) -> None:
    """
    And it comes back from its line.
    """
    line = encode_record(RECORDS[name])

    VALIDATOR.validate(json.loads(line))
    assert json.loads(line)["record"] == name
    assert decode_record(line) == RECORDS[name]


@MANY_EXAMPLES
@given(record=export_records())
def test_whatever_is_exported_is_in_the_schema(record: ExportRecord) -> None:
    """
    And it comes back from its line, which gives the same line again.
    """
    line = encode_record(record)

    VALIDATOR.validate(json.loads(line))
    assert encode_record(decode_record(line)) == line
    assert line.isascii()
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("name", RECORDS)
def test_an_import_refuses_what_the_schema_refuses(name: str) -> None:
    """
    Whichever member is missing, unknown, or of another kind than it should be.
    """
    good = json.loads(encode_record(RECORDS[name]))
    places = list(paths(good))
    changes = [changed(good, path, value) for path in places for value in STRANGERS]
    changes += [changed(good, (*path[:-1], "unknown"), 1) for path in places]
    changes += [without(good, path) for path in places]
    refused = [record for record in changes if not is_in_schema(record)]

    assert [record for record in refused if is_imported(record)] == []
    # Otherwise the schema would be true of everything.
    assert len(refused) > len(places) * len(STRANGERS) / 2


@MANY_EXAMPLES
@given(record=export_records(), data=st.data())
def test_an_import_refuses_whatever_the_schema_refuses(
    record: ExportRecord, data: st.DataObject
) -> None:
    """
    However a good record is changed, to whatever JSON there is.
    """
    good = json.loads(encode_record(record))
    path = data.draw(st.sampled_from(list(paths(good))))
    value = data.draw(strategies.json_values() | strategies.json_texts())
    bad = changed(good, path, value)

    assert is_in_schema(bad) or not is_imported(bad)


@pytest.mark.parametrize("value", [*STRANGERS, {"record": "unknown"}], ids=repr)
def test_what_is_no_record_is_refused_by_both(value: Any) -> None:
    """
    Neither schema nor import takes other JSON.
    """
    assert not is_in_schema(value)
    assert not is_imported(value)
