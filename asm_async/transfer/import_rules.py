"""
What every adapter refuses to import, compared with what is stored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from typing import NoReturn

from asm_async.errors import HistoryConflictError, ValidationError
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.values.export_digest import HistoryDigest
from asm_async.values.export_lines import record_name
from asm_async.values.export_records import ExportedSession


async def is_stored(
    incoming: IncomingSession, batches: AsyncGenerator[HistoryBatch]
) -> bool:
    """
    Return whether a session is stored already, and refuse it if its history differs.

    The batches are what is stored of it: the session itself, its runs and its events,
    in the order of an export.
    """
    stored: HistoryDigest | None = None
    async with aclosing(batches):
        async for batch in batches:
            for record, line in batch:
                if isinstance(record, ExportedSession):
                    stored = HistoryDigest(record)
                elif stored is not None:
                    stored.add(record, line)
    if stored is not None and (difference := stored.difference(incoming.digest)):
        raise HistoryConflictError(incoming.id, difference)
    return stored is not None


def refuse_tombstone(incoming: IncomingSession) -> NoReturn:
    """
    Refuse a session whose id was that of a session that was hard-deleted.
    """
    raise HistoryConflictError(
        incoming.id, "a session of this id was deleted here for ever"
    )


def check_owner(incoming: IncomingSession, run_id: str, owner: str) -> None:
    """
    Refuse a run whose id is that of another session's run.
    """
    if owner != incoming.id:
        raise HistoryConflictError(
            incoming.id, f"run {run_id!r} belongs to session {owner!r} here"
        )


def check_unrepeated(
    incoming: IncomingSession, batch: IncomingBatch, known: Collection[str]
) -> None:
    """
    Refuse a run or an event whose id occurs twice in its session.

    Of the ids of earlier ones, *known* holds at least those that occur in *batch*.
    """
    number, members = batch
    seen = set(known)
    for line, member in enumerate(members, number):
        if member.id in seen:
            raise ValidationError(
                f"line {line}: {record_name(member)}.id: {member.id!r} stands twice in"
                f" session {incoming.id!r}"
            )
        seen.add(member.id)


async def refuse_repetition(incoming: IncomingSession, batch: IncomingBatch) -> None:
    """
    Refuse a batch with a run or an event that is in an earlier batch as well.
    """
    first_line, members = batch
    kind, ids = type(members[0]), {member.id for member in members}
    known: set[str] = set()
    async with aclosing(incoming.batches()) as batches:
        async for number, earlier in batches:
            if number >= first_line:
                break
            known |= {one.id for one in earlier if type(one) is kind and one.id in ids}
    check_unrepeated(incoming, batch, known)
