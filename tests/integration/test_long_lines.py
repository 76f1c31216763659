"""
Long lines of an import: what they cost those who ask beside it, and what is stored.
"""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ValidationError
from asm_async.sql import SQLQueryAPI, SQLSessionStore, create_engine
from asm_async.testing.factories import (
    NOON,
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.query_api.transfer import (
    export_of,
    exported,
    history,
    pieces,
)
from asm_async.values.event import Event
from asm_async.values.export_lines import decode_record, encode_record
from asm_async.values.export_records import ExportRecord
from asm_async.values.json_values import EncodedJSON
from asm_async.values.run import Run
from asm_async.values.session_export import SessionMember
from asm_async.values.state_item import StateItem
from tests.integration.fastapi.test_long_bodies import ODD, measured_steps

LINE_BYTES = 4 << 20

# Of processor time; decoded at once, each of these takes twice as long.
MAX_STEP_SECONDS = 0.05
SESSION_ID = "ses_1"


def filled(unit: str, form: str = '{"a":[...]}') -> str:
    """
    Return JSON of so many bytes.
    """
    return form.replace("...", ",".join([unit] * (LINE_BYTES // (len(unit) + 1))))


SHAPES = {
    "arrays": filled("[]"),
    "objects": filled('{"":0}'),
}

# Texts of JSON that an export must not have, and what is said of them.
WRONG = {
    "twice": ('{"b":1,...,"b":2}', "'b': this key appears twice in one object"),
    "twice_within": ('{"a":[{"b":1,"b":2},...]}', "this key appears twice"),
    "too_deep": (f'{{"a":[{"[" * 201}{"]" * 201},...]}}', "event.data: nested more"),
    "too_large": ('{"a":[1e999,...]}', "event.data: a number in it is too large"),
    "no_json": ('{"a":[tr,...]}', "this is not JSON"),
    "constant": ('{"a":[NaN,...]}', "JSON"),
    "cut_off": ('{"a":[...', "JSON"),
}


def event_with(text: str) -> Event:
    """
    Make an event whose data is in the form in which it is stored.
    """
    event = make_event(id="evt_1", session_id=SESSION_ID)
    data: Any = EncodedJSON(text)
    return attrs.evolve(event, data=data, sequence_number=1)


def export_with(*members: SessionMember) -> bytes:
    """
    Return an export of one session, whose last members are events.
    """
    session = make_session(id=SESSION_ID, revision=1)
    runs = [member for member in members if isinstance(member, Run)]
    events = [member for member in members if isinstance(member, Event)]
    items = [member for member in members if isinstance(member, StateItem)]
    return export_of(history(session, runs=runs, items=items, events=events))


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_line_of_many_mebibytes_holds_nobody_up(
    migrated_sqlite_url: str, shape: str
) -> None:
    """
    No step of its import takes long, whatever it holds.
    """
    engine = create_engine(migrated_sqlite_url)
    export = export_with(event_with(SHAPES[shape]))
    query_api = SQLQueryAPI(engine)
    await query_api.count_events()
    async with measured_steps() as steps:
        await query_api.import_sessions(pieces(export))

    assert max(steps) < MAX_STEP_SECONDS
    (stored,) = await SQLSessionStore(engine).get_events(SESSION_ID)
    assert stored.data == json.loads(SHAPES[shape])
    await engine.dispose()


async def test_what_is_long_is_stored_as_if_it_were_short(engine: AsyncEngine) -> None:
    """
    However its JSON is written; the same export is found to be the same again.
    """
    odd: Any = json.loads(ODD)
    run = make_run(id="run_1", session_id=SESSION_ID, revision=1)
    members: list[SessionMember] = [
        attrs.evolve(run, output=odd, metadata={"a": 1}),
        make_item(scope="s", key="k", session_id=SESSION_ID, data=odd, updated_at=NOON),
        event_with(json.dumps(odd, separators=(",", ":"))),
    ]
    export = export_with(*members)
    query_api = SQLQueryAPI(engine)
    report = await query_api.import_sessions(pieces(export))
    again = await query_api.import_sessions(pieces(export))

    assert (report.sessions_imported, again.sessions_unchanged) == (1, 1)
    assert await exported(query_api) == export
    (event,) = await SQLSessionStore(engine).get_events(SESSION_ID)
    assert event.data == odd


@pytest.mark.parametrize("kind", WRONG)
async def test_what_is_refused_of_a_short_line_is_refused_of_a_long_one(
    engine: AsyncEngine, kind: str
) -> None:
    """
    The error names the line and the fault, and nothing is stored.
    """
    form, fault = WRONG[kind]
    filling = '"c":1' if kind == "twice" else "1"
    count = 1 if kind == "twice" else 80_000
    text = form.replace("...", ",".join([filling] * count))
    text = text.replace('"c":1', f'"c":"{"x" * 80_000}"')
    export = export_with(event_with('{"in":"its place"}'))
    export = export.replace(b'{"in":"its place"}', text.encode())
    query_api = SQLQueryAPI(engine)

    with pytest.raises(ValidationError, match=r"^line 3: ") as caught:
        await query_api.import_sessions(pieces(export))
    assert fault in str(caught.value)
    assert not (await query_api.search_sessions()).items


def test_the_text_of_json_makes_the_same_line() -> None:
    """
    Whatever stands around it, and however often.
    """
    run = make_run(id="run_1", revision=1)
    plain = attrs.evolve(run, input={"a": [1]}, output={"b": 2}, metadata={"c": "\\"})
    undecoded: ExportRecord = plain.with_unchecked(
        {
            "input": EncodedJSON('{"a":[1]}'),
            "output": EncodedJSON('{"b":2}'),
            "metadata": EncodedJSON('{"c":"\\\\"}'),
        }
    )

    assert encode_record(undecoded) == encode_record(plain)
    assert decode_record(encode_record(undecoded)) == plain
