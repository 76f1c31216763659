"""
What is no export, and what is to be said about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs

from asm_async.testing.factories import NOON, make_event, make_run
from asm_async.testing.query_api.transfer import (
    encoded,
    export_of,
    history,
    records_in,
)
from asm_async.values.event import Event
from asm_async.values.run import Run

__all__ = ["WRONG", "WRONG_AT_THE_END", "replaced"]

LATER = NOON + timedelta(seconds=1)
FIRST, SECOND = (make_event(id=f"evt_{n}", sequence_number=n) for n in (1, 2))
RUN = make_run(revision=1)


def edited(line: int, edit: Callable[[dict[str, Any]], object]) -> bytes:
    """
    Encode a good export, one line of which was edited as JSON.
    """
    lines = export_of(history()).splitlines()
    record = json.loads(lines[line - 1])
    edit(record)
    lines[line - 1] = json.dumps(record).encode()
    return b"\n".join(lines)


def replaced(line: int, *replacements: bytes) -> bytes:
    """
    Encode a good export, one line of which was replaced.
    """
    lines = export_of(history()).splitlines()
    lines[line - 1 : line] = replacements
    return b"\n".join(lines)


def reordered(*order: int) -> bytes:
    """
    Return some lines of a good export, in some order.

    They are header, session, run, event, event, session's end, end: 1 to 7.
    """
    lines = export_of(history()).splitlines()
    return b"\n".join(lines[line - 1] for line in order)


def nested(depth: int) -> list[Any]:
    """
    Nest so many lists.
    """
    return [nested(depth - 1)] if depth > 1 else []


def with_members(*, runs: list[Run], events: list[Event]) -> bytes:
    """
    Encode an export of ``ses_1`` with these runs and events, as they are.
    """
    header, head, *_, session_end, end = records_in(
        export_of(history(runs=runs, events=events))
    )
    return encoded([header, head, *runs, *events, session_end, end])


WRONG: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "line 1: the export is cut off here"),
    "garbage": (b"\x1f\x8b\x08", "line 1: this cannot be read as JSON"),
    "no header": (reordered(2, 3), "line 1: record: an export begins with its"),
    "no object": (replaced(1, b"[]"), "line 1: expected a JSON object, got a list"),
    "blank line": (replaced(2, b"", b"{}"), "line 2: this is not JSON"),
    "no record": (replaced(3, b"{}"), "line 3: record: expected one of header"),
    "a format": (
        edited(1, lambda header: header.update(format="tar")),
        "line 1: format: 'tar' is not 'asm_async.export'",
    ),
    "a version": (
        edited(1, lambda header: header.update(version=2)),
        "line 1: version: this code reads version 1, not 2",
    ),
    "a field": (
        edited(4, lambda record: record["event"].update(colour="red")),
        "line 4: event.'colour': there is no field of this name",
    ),
    "no id": (
        edited(3, lambda record: record["run"].pop("id")),
        "line 3: run.id: this required field is missing",
    ),
    "a text": (
        edited(2, lambda record: record["session"].update(agent_id="a\0")),
        "line 2: session.agent_id: 'a\\x00' holds a NUL",
    ),
    "a time": (
        edited(4, lambda record: record["event"].update(timestamp="2026-01-02T12:00")),
        "line 4: event.timestamp: ",
    ),
    "nanoseconds": (
        edited(
            4,
            lambda record: record["event"].update(
                timestamp="2026-01-02T12:00:00.123456789Z"
            ),
        ),
        "line 4: event.timestamp: '2026-01-02T12:00:00.123456789Z' is not an RFC 3339",
    ),
    "no revision": (
        edited(2, lambda record: record["session"].update(revision=0)),
        "line 2: session.revision: expected at least 1, got 0",
    ),
    "no number": (
        edited(4, lambda record: record["event"].update(sequence_number=0)),
        "line 4: event.sequence_number: expected at least 1, got 0",
    ),
    "NaN": (
        replaced(4, b'{"record":"event","event":{"data":{"n":NaN}}}'),
        "line 4: NaN is not JSON",
    ),
    "a great number": (
        edited(4, lambda record: record["event"].update(data={"n": 10**4299})).replace(
            b"0" * 4299, b"0" * 5000
        ),
        "line 4: this cannot be read as JSON: Exceeds the limit",
    ),
    "an endless float": (
        replaced(3, b'{"record":"run","run":{"cost_usd":1e999}}'),
        "line 3: run.id: this required field is missing",
    ),
    "a key twice": (
        replaced(4, b'{"record":"event","event":{"id":"a","id":"b"}}'),
        "line 4: 'id': this key appears twice in one object",
    ),
    "endless nesting": (
        replaced(4, b'{"record":' + b"[" * 100_000),
        "line 4: this cannot be read as JSON: ",
    ),
    "deep nesting": (
        edited(4, lambda record: record["event"].update(data={"a": nested(200)})),
        "line 4: event.data['a'][0]",
    ),
    "a second header": (reordered(1, 1), "line 2: record: 'header' is out of place"),
    "no session": (reordered(1, 3), "line 2: record: 'run' is out of place"),
    "a run after events": (
        reordered(1, 2, 4, 3),
        "line 4: record: 'run' is out of place",
    ),
    "a session within": (
        reordered(1, 2, 3, 2),
        "line 4: record: 'session' is out of place",
    ),
    "events in disorder": (
        reordered(1, 2, 3, 5, 4),
        "line 5: event.sequence_number: 1 is not within 3 to 2",
    ),
    "an event twice": (
        reordered(1, 2, 3, 4, 4),
        "line 5: event.sequence_number: 1 is not within 2 to 2",
    ),
    "a run twice": (reordered(1, 2, 3, 3), "line 4: run.started_at: 'run_1' comes"),
    "an event missing": (
        reordered(1, 2, 3, 4, 6, 7),
        "line 5: event_count: 2 are announced, 1 are there",
    ),
    "a run missing": (
        reordered(1, 2, 4, 5, 6, 7),
        "line 5: run_count: 1 are announced, 0 are there",
    ),
    "a wrong counter": (
        edited(2, lambda record: record.update(latest_sequence=3)),
        "line 6: event_count: 2 stored and 0 pruned events do not add up to 3",
    ),
    "more pruned than given": (
        edited(2, lambda record: record.update(pruned_count=3)),
        "line 2: pruned_count: 3 events cannot have been pruned of 2",
    ),
    "another's end": (
        edited(6, lambda record: record.update(session_id="ses_2")),
        "line 6: session_id: this is the end of 'ses_2', not of 'ses_1'",
    ),
    "another's event": (
        edited(4, lambda record: record["event"].update(session_id="ses_2")),
        "line 4: event.session_id: 'evt_1' belongs to session 'ses_2'",
    ),
    "another's run": (
        edited(3, lambda record: record["run"].update(session_id="ses_2")),
        "line 3: run.session_id: 'run_1' belongs to session 'ses_2'",
    ),
    "an event's id twice": (
        with_members(runs=[], events=[FIRST, attrs.evolve(SECOND, id="evt_1")]),
        "line 4: event.id: 'evt_1' appears twice in session 'ses_1'",
    ),
    "a run's id twice": (
        with_members(runs=[RUN, attrs.evolve(RUN, started_at=LATER)], events=[]),
        "line 4: run.id: 'run_1' appears twice in session 'ses_1'",
    ),
}
"""
By name: an export of ``ses_1`` in which something is wrong, and how the error begins.
"""

WRONG_AT_THE_END: Mapping[str, tuple[bytes, str]] = {
    "no end": (reordered(1, 2, 3, 4, 5, 6), "line 7: the export is cut off here"),
    "a wrong sum": (
        edited(7, lambda end: end.update(event_count=3)),
        "line 7: event_count: 3 are announced, 2 are there",
    ),
    "more after the end": (
        reordered(1, 2, 3, 4, 5, 6, 7, 1),
        "line 8: something follows the end of the export",
    ),
}
"""
The same, where the session itself is as it should be.
"""
