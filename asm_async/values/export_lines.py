"""
The records of an export as text, and whether two histories have the same.

The text is one JSON object a line, in ASCII, and the same for the same record.
``schema/export.schema.json`` describes lines in the words of JSON Schema; what it
refuses is refused here, and so is what it cannot express, such as a key that appears
twice.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType
from typing import Any, TypeVar, cast
from uuid import uuid4

import attrs

from asm_async.errors import ValidationError
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event, known_event_type
from asm_async.values.export_records import (
    ExportedSession,
    ExportedSessionEnd,
    ExportEnd,
    ExportHeader,
    ExportRecord,
    stored_value,
)
from asm_async.values.json_outline import (
    Outline,
    Span,
    outline_of,
    without_repetition,
)
from asm_async.values.json_pieces import encode_in_pieces
from asm_async.values.json_values import EncodedJSON, decode_json, encode_json
from asm_async.values.not_json import with_article
from asm_async.values.plain_value import check_members
from asm_async.values.run import Run
from asm_async.values.session_export import SessionExport, SessionMember
from asm_async.values.state_item import StateItem
from asm_async.values.stored_value import StoredValue
from asm_async.values.undecoded import TextOf, UndecodedReader
from asm_async.values.value import schema_of

LONG_LINE = 1 << 16
"""
From how many bytes on a line is read and made in steps.
"""

_BYTES_PER_STEP = 1 << 20


S = TypeVar("S", bound=StoredValue)


def record_name(record: ExportRecord) -> str:
    """
    Return the name by which a record's line says what it is.
    """
    return _NAMES[type(record)]


def encode_record(record: ExportRecord) -> bytes:
    """
    Return a record as its line, with the line's end.
    """
    if isinstance(record, StateItem):
        # Each store gives revisions of its own, and equal histories equal lines.
        record = record.with_given(0)
    texts: dict[str, EncodedJSON] = {}
    if isinstance(record, ExportedSession):
        session = _without_texts(record.session, texts)
        record = attrs.evolve(record, session=session)
    elif isinstance(record, SessionMember):
        record = _without_texts(record, texts)
    name, plain = record_name(record), record.to_dict()
    if isinstance(record, SessionMember):
        plain = {name: plain}
    line = encode_json({"record": name, **plain})
    pieces: list[bytes] = []
    for token, text in texts.items():
        before, _, line = line.partition(f'"{token}"')
        pieces += (before.encode("ascii"), text.encode("ascii"))
    return b"".join((*pieces, line.encode("ascii"), b"\n"))


def _without_texts(value: S, texts: dict[str, EncodedJSON]) -> S:
    """
    Return a value without the texts that JSON in it is left as.

    Args:
        value: A session, or a member of one.

        texts: Is given each by what stands in its place, which nobody can guess.
    """
    found: dict[str, str] = {}
    for name in schema_of(type(value)).rules:
        if type(text := getattr(value, name)) is EncodedJSON:
            found[name] = token = uuid4().hex
            texts[token] = text
    return value.with_unchecked(found) if found else value


def encode_export(sessions: Iterable[SessionExport]) -> Iterator[bytes]:
    """
    Yield an export of sessions that are in memory, line by line.

    It is what a file needs to hold to be imported again.
    """
    session_count = run_count = artifact_count = item_count = event_count = 0
    yield encode_record(ExportHeader())
    for one in sessions:
        runs, artifacts = len(one.runs), len(one.artifacts)
        items, events = len(one.items), len(one.events)
        head = ExportedSession(
            session=one.session,
            latest_sequence=one.latest_sequence,
            pruned_count=one.pruned_count,
        )
        end = ExportedSessionEnd(
            session_id=one.session.id,
            run_count=runs,
            artifact_count=artifacts,
            item_count=items,
            event_count=events,
        )
        yield encode_record(head)
        for members in (one.runs, one.artifacts, one.items, one.events):
            yield from map(encode_record, members)
        yield encode_record(end)
        session_count += 1
        run_count += runs
        artifact_count += artifacts
        item_count += items
        event_count += events
    yield encode_record(
        ExportEnd(
            session_count=session_count,
            run_count=run_count,
            artifact_count=artifact_count,
            item_count=item_count,
            event_count=event_count,
        )
    )


def decode_record(line: bytes) -> ExportRecord:
    """
    Make a record of its line, with or without the line's end.

    The line may differ from what :func:`encode_record` would give in white space, in
    the order of our own keys, in characters beyond ASCII (UTF-8), in the zone and
    precision of times, and by leaving out fields that have a default.

    Raises:
        ValidationError: Beginning with the path of the culprit.
    """
    with _named_faults():
        data = _DECODER.decode(line.decode("utf-8"))
    if not isinstance(data, dict):
        given = with_article(type(data).__name__)
        raise ValidationError(f"expected a JSON object, got {given}")
    return _record_of(cast("dict[str, Any]", data))


def _record_of(record: dict[str, Any]) -> ExportRecord:
    name = record.pop("record", None)
    if not isinstance(name, str) or name not in _KINDS:
        raise ValidationError(f"record: expected one of {', '.join(_KINDS)}")
    kind = _KINDS[name]
    if kind in {Run, Artifact, StateItem, Event}:
        member = check_members(record, {name}, {name})
        return stored_value(member[name], kind)
    return kind.from_dict(record)


def restore_member(line: bytes) -> SessionMember:
    """
    Make what belongs to a session of the line that :func:`encode_record` made of it.

    Nothing is checked, since it was when the line was first decoded.
    """
    return _member_of(decode_json(line.decode("ascii")))


def _member_of(record: dict[str, Any]) -> SessionMember:
    if "run" in record:
        return Run.from_dict(record["run"])
    if "artifact" in record:
        return Artifact.from_dict(record["artifact"])
    if "state_item" in record:
        return StateItem.from_dict(record["state_item"])
    event = record["event"]
    event["type"] = known_event_type(event["type"])
    event["timestamp"] = datetime.fromisoformat(event["timestamp"])
    return Event.from_stored(event.values())


def decode_record_in_steps(line: bytes) -> Generator[None, None, ExportRecord]:
    """
    Make a record of its long line, as :func:`decode_record` does.

    The JSON of its value becomes the text in which it is stored.

    Returns:
        The record, when the steps are over.

    Raises:
        ValidationError: Beginning with the path of the culprit.
    """
    with _named_faults():
        record = yield from _read_in_steps(line.decode("utf-8"), encode_in_pieces)
    return _record_of(record)


def restore_member_in_steps(line: bytes) -> Generator[None, None, SessionMember]:
    """
    Make what belongs to a session of its long line, as :func:`restore_member` does.

    The JSON of its value is left as the text that it is in the line.

    Returns:
        The member, when the steps are over.
    """
    return _member_of((yield from _read_in_steps(line.decode("ascii"), _cut)))


def _read_in_steps(text: str, text_of: TextOf) -> Generator[None, None, dict[str, Any]]:
    outline = yield from outline_of(
        text, "this cannot be read as JSON", refuses_repetition=True
    )
    whole = outline.whole()
    if not outline.is_object(whole):
        raise ValidationError("expected a JSON object, got a list")
    reader = UndecodedReader(outline, _VALUES, text_of=text_of)
    return (yield from reader.object(whole, ""))


def _cut(outline: Outline, span: Span, _: str) -> Generator[None, None, EncodedJSON]:
    yield
    return EncodedJSON(outline.text[span.start : span.end])


@contextmanager
def _named_faults() -> Generator[None]:
    """
    Say of what cannot be decoded why it is no JSON.
    """
    try:
        yield
    except ValidationError:
        raise
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"this is not JSON: {error.msg} at column {error.colno}"
        ) from None
    except (ValueError, RecursionError) as error:
        # Bytes that are not UTF-8, an integer of too many digits, and endless nesting.
        raise ValidationError(f"this cannot be read as JSON: {error}") from None


def _refuse_constant(name: str) -> None:
    raise ValidationError(f"{name} is not JSON")


_KINDS: Mapping[str, type[ExportRecord]] = MappingProxyType(
    {
        "header": ExportHeader,
        "session": ExportedSession,
        "run": Run,
        "artifact": Artifact,
        "state_item": StateItem,
        "event": Event,
        "session_end": ExportedSessionEnd,
        "end": ExportEnd,
    }
)
_NAMES = MappingProxyType({kind: name for name, kind in _KINDS.items()})
_VALUES = frozenset({"session", "run", "artifact", "state_item", "event"})
_DECODER = json.JSONDecoder(
    object_pairs_hook=without_repetition, parse_constant=_refuse_constant
)


class HistoryDigest:
    """
    The digest of one session's records, added in the order of an export.

    Two histories are the same if all their lines are, but for when they were last
    active: what was not said there, the import has said here.
    """

    def __init__(self, head: ExportedSession) -> None:
        self._latest_sequence = head.latest_sequence
        session = head.session.with_given(head.session.revision, None)
        self._session = encode_record(attrs.evolve(head, session=session))
        self._runs = sha256()
        self._artifacts = sha256()
        self._items = sha256()
        self._events = sha256()

    def add(self, record: SessionMember, line: bytes) -> Generator[None]:
        """
        Add what belongs to it, and the line that :func:`encode_record` makes of it.

        In steps, of which a line that is not long has one.
        """
        digests = {
            Run: self._runs,
            Artifact: self._artifacts,
            StateItem: self._items,
            Event: self._events,
        }
        for start in range(0, len(line), _BYTES_PER_STEP):
            digests[type(record)].update(line[start : start + _BYTES_PER_STEP])
            yield

    @property
    def text(self) -> str:
        """
        The digest of all records, in hexadecimal digits.
        """
        members = self._runs, self._artifacts, self._items, self._events
        parts = self._session, *(digest.digest() for digest in members)
        return sha256(b"".join(parts)).hexdigest()

    def has_other_items(self, other: HistoryDigest) -> bool:
        """
        Return whether *other* has other state items.
        """
        return self._items.digest() != other._items.digest()

    def difference(self, other: HistoryDigest) -> str | None:
        """
        Return what keeps *other* from being the same history as this, which is stored.
        """
        here, there = self._latest_sequence, other._latest_sequence
        if here != there:
            return f"it is at sequence number {here} here, and at {there} there"
        if self._events.digest() != other._events.digest():
            return "it has other events here"
        if self._runs.digest() != other._runs.digest():
            return "it has other runs here"
        if self._artifacts.digest() != other._artifacts.digest():
            return "it has other artifacts here"
        if self.has_other_items(other):
            return "it has other state items here"
        return None if self._session == other._session else "it was changed here"
