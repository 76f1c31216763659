"""
Records of one session that are written together.
"""

from __future__ import annotations

from typing import Any

import attrs

from asm_async.importers.importer import IMPORTED
from asm_async.importers.lines import members_of
from asm_async.importers.records import Attachment, Place, Record
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

MAX_EVENTS_PER_BATCH = 500
"""
How many events a batch has at most, but for the last record's.
"""

MAX_BYTES_PER_BATCH = 1 << 22
"""
How many bytes of the source a batch is made of at most, but for the last record's.
"""


@attrs.define(eq=False)
class Batch:
    """
    What is to be written of one session next.
    """

    session: Session
    title: str | None = None
    facts: dict[str, Any] = attrs.field(factory=dict[str, Any])
    events: list[tuple[Event, Place]] = attrs.field(factory=list[tuple[Event, Place]])
    runs: dict[str, tuple[Run, Place]] = attrs.field(
        factory=dict[str, tuple[Run, Place]]
    )
    items: dict[tuple[str, str], tuple[StateItem, Place]] = attrs.field(
        factory=dict[tuple[str, str], tuple[StateItem, Place]]
    )
    attachments: dict[str, tuple[Attachment, Place]] = attrs.field(
        factory=dict[str, tuple[Attachment, Place]]
    )
    byte_count: int = 0

    def add(self, record: Record) -> None:
        """
        Add a record of the session.
        """
        place = record.place
        self.title = record.title or self.title
        self.facts.update(record.facts)
        self.events += [(event, place) for event in record.events]
        self.runs |= {run.id: (run, place) for run in record.runs}
        self.items |= {(i.scope, i.key): (i, place) for i in record.items}
        self.attachments |= {a.key: (a, place) for a in record.attachments}
        self.byte_count += place.byte_count

    @property
    def is_full(self) -> bool:
        """
        Whether it is time to write it.
        """
        return (
            len(self.events) >= MAX_EVENTS_PER_BATCH
            or self.byte_count >= MAX_BYTES_PER_BATCH
        )

    @property
    def is_empty(self) -> bool:
        """
        Whether there is nothing to write but what the session is called.
        """
        return not (self.events or self.runs or self.items or self.attachments)

    def next(self) -> Batch:
        """
        Return an empty batch behind this one, with what is known of the session.
        """
        return Batch(self.session, self.title, self.facts)

    def named_session(self) -> Session:
        """
        Return the session with its title and facts, as it is created.
        """
        return with_facts(self.session, self.title, self.facts)


def with_facts(session: Session, title: str | None, facts: dict[str, Any]) -> Session:
    """
    Return a session with what the source says of it in its metadata.

    A title that somebody else gave stays. Where nothing changes, the session is
    returned as it is.
    """
    origin = members_of(session.metadata.get(IMPORTED)).copy()
    metadata = dict(session.metadata)
    if title is not None:
        if metadata.get("title") in {None, origin.get("title")}:
            metadata["title"] = title
        origin["title"] = title
    metadata[IMPORTED] = {**origin, **facts}
    if metadata == session.metadata:
        return session
    return attrs.evolve(session, metadata=metadata)
