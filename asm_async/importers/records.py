"""
What importers read of a source, as it is to be stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from asm_async.errors import ASMError
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

RECORD_TYPE = "imported.record"
"""
The type of the event of a record that is no message, tool call or the like.
"""

ORIGINAL = "original"
"""
The member of an event's data that holds the source's record whole.

Of several events of one record the first has it. It is part of *data*, so that a
redaction policy, an encryption and an export treat it like all that an event says.
"""

NO_FACTS: Mapping[str, Any] = MappingProxyType({})


class NotUnderstoodError(ASMError):
    """
    A record of a source has another form than its importer knows.

    An importer raises it for one record; it is reported with the record's place, and
    the import goes on.
    """

    code = "not_understood"


class NotJSONError(NotUnderstoodError):
    """
    A record of a source is no JSON.
    """

    code = "not_json"


@attrs.frozen
class Place:
    """
    Where in a source a record stands.
    """

    source: str
    """
    The file as it is shown: its path below what is imported; or a table.
    """

    number: int
    """
    Its line, from 1; of what has no lines, its position, from 1.
    """

    byte_count: int = 0
    """
    How many bytes it takes there, by which batches are measured.
    """


@attrs.frozen(kw_only=True, eq=False)
class Attachment:
    """
    A content that is kept as an artifact of the session, where artifacts are kept.
    """

    key: str
    """
    The artifact's key, derived from the session and the content.
    """

    content: bytes
    content_type: str | None = None


@attrs.frozen(kw_only=True, eq=False)
class Record:
    """
    One record of a source as it is stored; all of it belongs to one session.

    Everything in it must be derived from the source's content, ids and times among
    it: then a second import, or one of a source that has grown, adds what is new alone.
    """

    place: Place
    """
    Where it was read.
    """

    session: Session
    """
    The session, as it is created unless it is there; the same value for all its
    records.
    """

    events: tuple[Event, ...] = ()
    """
    What it says, by the conventions; the first has the original.
    """

    runs: tuple[Run, ...] = ()
    """
    Runs as far as the source has told of them; a later record may have more of one.
    """

    items: tuple[StateItem, ...] = ()
    """
    State items, in the scope of the session's imports or in a framework's own.
    """

    attachments: tuple[Attachment, ...] = ()
    """
    Contents that its events name by their keys; only if the context has artifacts.
    """

    title: str | None = None
    """
    A title for the session; of several the last counts, unless somebody renamed it.
    """

    facts: Mapping[str, Any] = NO_FACTS
    """
    Further members of the session's metadata below ``imported``; the last of a name
    counts.
    """

    rewinds_to: str | None = None
    """
    The id of an event of the source: what the source said after it is taken back, and
    hidden from readers, before this record's events are appended. An empty text takes
    everything back.
    """


class CaughtUp:
    """
    Says between two records that there is nothing more to read at present.
    """


Incoming: TypeAlias = Record | CaughtUp
"""
What an importer yields.
"""


def with_original(
    events: tuple[Event, ...], original: Mapping[str, Any]
) -> tuple[Event, ...]:
    """
    Return *events* with the source's record in the first, as it was read.
    """
    first, *others = events
    whole = attrs.evolve(first, data={**first.data, ORIGINAL: dict(original)})
    return (whole, *others)


def record_event(
    *, session_id: str, event_id: str, timestamp: Any, kind: str, name: str
) -> Event:
    """
    Return the event of a record that says nothing by the conventions.

    Args:
        session_id: The session.

        event_id: The event's id, derived from the record.

        timestamp: When it was written.

        kind: The kind of source, as in ``KINDS``.

        name: What the source calls such records.
    """
    return Event.new(
        type=RECORD_TYPE,
        session_id=session_id,
        id=event_id,
        timestamp=timestamp,
        data={"kind": kind, "name": name},
    )
