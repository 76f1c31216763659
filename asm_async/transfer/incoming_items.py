"""
The state items of an import: those of no session, and what stands against one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from asm_async.errors import ConflictError, HistoryConflictError
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.transfer.incoming_session import (
    CHUNK_BYTES,
    CHUNK_LINES,
    IncomingRecords,
    IncomingSession,
    check_order_of_items,
)
from asm_async.values.export_lines import encode_record, record_name
from asm_async.values.export_records import ExportEnd, ExportRecord
from asm_async.values.state_item import StateItem, item_shown

StoreItems: TypeAlias = Callable[[Sequence[StateItem]], Awaitable[int]]
"""
Stores some items that belong to no session, unless they are stored already, and returns
how many of them are new.
"""


async def read_items(
    first: StateItem,
    records: IncomingRecords,
    store: StoreItems,
    count: Callable[[int, int], object],
) -> ExportRecord:
    """
    Read the items that belong to no session, from the *first* on, and store them.

    Args:
        first: What was read last.

        records: Where the others come from.

        store: Called with as many at a time as make a batch.

        count: Called after each batch with how many were read, and how many are new.

    Returns:
        The record behind them.
    """
    last: StateItem | None = None
    batch: list[StateItem] = []
    size = 0
    record: ExportRecord = first
    while isinstance(record, StateItem):
        if record.session_id is not None:
            records.refuse(
                "state_item.session_id: behind the sessions stand the items that"
                f" belong to none, and this one is of {record.session_id!r}"
            )
        check_order_of_items(last, record, records)
        last = record
        batch.append(record)
        size += records.line_size
        record = await records.next()
        if not isinstance(record, StateItem | ExportEnd):
            records.refuse(f"record: {record_name(record)!r} is out of place")
        is_full = size >= CHUNK_BYTES or len(batch) >= CHUNK_LINES
        if is_full or not isinstance(record, StateItem):
            count(len(batch), await store(batch))
            batch, size = [], 0
    return record


def check_item(
    incoming: IncomingSession, name: tuple[str, str], owner: str | None
) -> None:
    """
    Refuse a session's item whose scope and key are those of another *owner*'s here.
    """
    if owner != incoming.id:
        raise HistoryConflictError(
            incoming.id, f"{item_shown(name)} belongs to {owner_shown(owner)} here"
        )


class DifferingItemError(Exception):
    """
    The cause of a conflict: an item, as it is stored and as it was read.

    Who stores items in another form than callers see can name what these see differ. It
    is told by neither text nor arguments, since both would show what the items hold.

    Args:
        stored: The item that is there.

        given: The one that was to be imported.
    """

    def __init__(self, stored: StateItem, given: StateItem) -> None:
        super().__init__()
        self.stored: StateItem = stored
        """
        The item that is there.
        """
        self.given: StateItem = given
        """
        The one that was to be imported.
        """


def check_item_of_none(item: StateItem, stored: StateItem) -> None:
    """
    Refuse an item that is stored with other content; when it was saved does not matter.

    Raises:
        ConflictError: Naming it, and the first field that differs.
    """
    if not stored.has_same_content(item):
        raise ConflictError(
            f"{item_shown((item.scope, item.key))} cannot be imported: it is stored"
            f" here with another {stored.differing_field(item)}"
        ) from DifferingItemError(stored, item)


async def differing_item(
    incoming: IncomingSession, history: AsyncGenerator[HistoryBatch]
) -> str:
    """
    Name the first item of a session that is stored otherwise, or on one side alone.
    """

    async def given() -> AsyncIterator[tuple[tuple[str, str], bytes]]:
        async for _, members in batches:
            for member in members:
                if isinstance(member, StateItem):
                    yield (member.scope, member.key), encode_record(member)

    async def stored() -> AsyncIterator[tuple[tuple[str, str], bytes]]:
        async for batch in history:
            for member, line in batch:
                if isinstance(member, StateItem):
                    yield (member.scope, member.key), line

    async with aclosing(incoming.batches()) as batches, aclosing(history):
        there, here = given(), stored()
        while (one := await anext(there, None)) == (other := await anext(here, None)):
            pass
    # Both are sorted: what the other side lacks has the lesser name.
    return item_shown(min(found[0] for found in (one, other) if found is not None))


def owner_shown(owner: str | None) -> str:
    """
    Return what a message calls the session with the id *owner*, or the lack of one.
    """
    return "no session" if owner is None else f"session {owner!r}"
