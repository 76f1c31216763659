"""
From documents with conversations to records.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from time import perf_counter

from asm_async.errors import ValidationError
from asm_async.fronts.loop_share import LoopShare
from asm_async.importers.conversation import Conversation
from asm_async.importers.documents import Document, changing_documents
from asm_async.importers.importer import ImportContext
from asm_async.importers.pictured_records import records_of_conversation
from asm_async.importers.records import CaughtUp, Incoming
from asm_async.importers.summary import ProblemCode

_MAX_BYTES_AHEAD = 1 << 22


async def records_of_documents(
    context: ImportContext,
    accepts: Callable[[str], bool],
    conversations_in: Callable[[Document], AsyncGenerator[Conversation]],
) -> AsyncGenerator[Incoming]:
    """
    Yield the records of all conversations of a source.

    Args:
        context: What to import.

        accepts: As for :func:`documents_of`.

        conversations_in: Reads the conversations of a document.

    Raises:
        NotFoundError: If there is no such source.
    """
    share = LoopShare()
    ahead = _Ahead()
    async for document in changing_documents(context, accepts):
        if isinstance(document, CaughtUp):
            yield document
            continue
        async for conversation in conversations_in(document):
            if ahead.is_too_much(conversation):
                # Writes all that was read: small conversations would wait in memory for
                # more, and what is stored of this one must be all that was read of it.
                yield CaughtUp()
            try:
                async for record in records_of_conversation(context, conversation):
                    yield record
                    if perf_counter() >= share.ends_at:
                        await share.rest()
            except ValidationError as error:
                place, code = conversation.place, ProblemCode.NOT_UNDERSTOOD
                context.tally.problem(place, code, str(error))


class _Ahead:
    """
    What was read and may not be written.
    """

    def __init__(self) -> None:
        self._size = 0
        self._sessions: set[str] = set()

    def is_too_much(self, conversation: Conversation) -> bool:
        """
        Return whether what was read has to be written before this conversation.
        """
        session_id = conversation.session.id
        is_full = self._size >= _MAX_BYTES_AHEAD or session_id in self._sessions
        if is_full:
            self._size = 0
            self._sessions.clear()
        self._size += conversation.place.byte_count
        self._sessions.add(session_id)
        return is_full
