"""
What every adapter refuses to import, once it has looked at what is stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import aclosing

from asm_async.errors import HistoryConflictError, ValidationError
from asm_async.transfer.export_stream import HistoryBatch
from asm_async.transfer.incoming_session import IncomingBatch, IncomingSession
from asm_async.values.export_digest import HistoryDigest
from asm_async.values.export_lines import record_name
from asm_async.values.export_records import ExportedSession

__all__ = [
    "check_owner",
    "check_same",
    "check_unrepeated",
    "digest_of",
    "refuse_repetition",
    "refuse_tombstone",
]


async def digest_of(batches: AsyncIterator[HistoryBatch]) -> HistoryDigest | None:
    """
    Give the digest of a stored session; None if it is not there.

    Args:
        batches: The session itself, its runs and its events, in the order of an export.
    """
    digest: HistoryDigest | None = None
    async for batch in batches:
        for record, line in batch:
            if isinstance(record, ExportedSession):
                digest = HistoryDigest(record)
            elif digest is not None:
                digest.add(record, line)
    return digest


def check_same(incoming: IncomingSession, stored: HistoryDigest) -> None:
    """
    Refuse a session that is stored with another history.

    Raises:
        HistoryConflictError: If it is.
    """
    if difference := stored.difference(incoming.digest):
        raise HistoryConflictError(incoming.id, difference)


def refuse_tombstone(incoming: IncomingSession) -> None:
    """
    Refuse a session whose id was that of one that is deleted for ever.

    Raises:
        HistoryConflictError: Always.
    """
    raise HistoryConflictError(
        incoming.id, "a session of this id was deleted here for ever"
    )


def check_owner(incoming: IncomingSession, run_id: str, owner: str) -> None:
    """
    Refuse a run whose id is that of another session's run.

    Raises:
        HistoryConflictError: If *owner* is another session.
    """
    if owner != incoming.id:
        raise HistoryConflictError(
            incoming.id, f"run {run_id!r} belongs to session {owner!r} here"
        )


def check_unrepeated(
    incoming: IncomingSession, batch: IncomingBatch, known: Collection[str]
) -> None:
    """
    Refuse a run or an event that stands twice in its session.

    Args:
        incoming: The session.

        batch: Some of its runs or events.

        known: The ids of those that came before, or of some of them if all that are in
            *batch* are among those.

    Raises:
        ValidationError: With the number of the line.
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
    Refuse a batch one of whose runs or events stands in an earlier batch, too.

    Raises:
        ValidationError: With the number of the line; nothing happens if there is none.
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
