"""
The store of pydantic-ai's conversations.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Self

from pydantic_ai.conversation_store import (
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)

from asm_async.errors import SessionNotFoundError
from asm_async.integrations.pydantic_ai import deleting, reading
from asm_async.integrations.pydantic_ai.writing import RecordWriter
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.transcripts import Transcript
from asm_async.values import fields
from asm_async.values.session import Session


class AsmConversationStore(ConversationStore):
    """
    A ``ConversationStore`` of pydantic-ai over the ports.

    A conversation is a session. One commit writes its record, its new entries and the
    events that tell of their messages, with their runs and token usage, all or nothing.
    Of any number of writers that have loaded the same revision exactly one saves;
    the others get ``ConversationConflict``.

    **Forks.** A fork shares the entries before it, and is a session whose
    *parent_session_id* is that of the conversation it was forked from.

    **Deletion.** Deleting a conversation deletes its session, with all events, and
    exactly the entries that no other conversation's history or branches lead to. A fork
    that is saved at the same time either keeps its entries or is refused with
    ``ConversationConflict``. Entries go with a session: what removes a session in
    another way, such as ``Maintenance.erase``, removes what its conversation wrote,
    also where a fork shares it.

    **Branches.** The session's log has what was said in the order in which it was
    saved, also what a branch has left; an event of the type ``pydantic_ai.branched``
    stands where one begins. :meth:`read_transcript` reads the present history alone.

    Args:
        ports: The ports, which stay the caller's. With those of a portal it serves any
            event loop, with others the one that they belong to.

        agent_id: The *agent_id* of the sessions.
    """

    def __init__(self, ports: Ports, *, agent_id: str = "pydantic-ai") -> None:
        self._runner = PortsRunner(ports)
        self._writer = RecordWriter(fields.text(agent_id, "agent_id"))

    @classmethod
    def from_url(
        cls, url: str, *, migrate: bool = True, agent_id: str = "pydantic-ai"
    ) -> Self:
        """
        Return a store over a database, for any thread and event loop.

        It stays open until :meth:`close`, or until the process ends.

        Args:
            url: The database, as for :func:`~asm_async.portal.open_portal`.

            migrate: Whether to create or upgrade the tables.

            agent_id: The *agent_id* of the sessions.
        """
        make = partial(cls, agent_id=agent_id)
        return open_adapter(url, make, migrate=migrate)

    def close(self) -> None:
        """
        Close what :meth:`from_url` opened; ports that were handed in stay open.
        """
        self._runner.close()

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` opened, as :meth:`close` does.
        """
        await self._runner.aclose()

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """
        Return the record of a conversation; None if there is none.
        """
        return await self._runner.run(partial(self._do_read_record, conversation_id))

    async def _do_read_record(self, conversation_id: str) -> ConversationRecord | None:
        ports = self._runner.ports
        found = await reading.find_conversation(ports, conversation_id)
        if found is None:
            return None
        self._writer.recent.add(found)
        return found.record

    async def read_records(
        self, *, scope: str | None = None, limit: int | None = None
    ) -> Sequence[ConversationRecord]:
        """
        Return the records, those that were saved last first, by their *updated_at*.

        Args:
            scope: Only those of this scope, which is the *user_id* of their sessions.

            limit: At most so many.
        """
        return await self._runner.run(partial(self._do_read_records, scope, limit))

    async def _do_read_records(
        self, scope: str | None, limit: int | None
    ) -> Sequence[ConversationRecord]:
        ports = self._runner.ports
        return await reading.list_records(ports, self._writer.agent_id, scope, limit)

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """
        Store a record, its new entries and their events, all or nothing.

        Args:
            record: The record as it shall be.

            new_entries: Oldest first; each follows a stored entry or one before it.

            expected_revision: That of the stored record; None if there is none.

        Raises:
            ConversationConflict: If the stored record has another revision, or an entry
                that the record or a new entry follows is stored nowhere.

            ConflictError: If a new entry has the id of another one.

            SessionDeletedError: If the conversation's session is soft-deleted.

            ValidationError: If a message holds what is no JSON.
        """
        await self._runner.run(
            partial(
                self._do_write_record, record, tuple(new_entries), expected_revision
            )
        )

    async def _do_write_record(
        self,
        record: ConversationRecord,
        new_entries: Sequence[ConversationEntry],
        expected_revision: str | None,
    ) -> None:
        ports = self._runner.ports
        await self._writer.write(ports, record, new_entries, expected_revision)

    async def delete_record(
        self, conversation_id: str, *, expected_revision: str
    ) -> None:
        """
        Delete a conversation, its session, and the entries that nobody else leads to.

        Raises:
            ConversationConflict: If no record of this revision is stored.
        """
        await self._runner.run(
            partial(self._do_delete_record, conversation_id, expected_revision)
        )

    async def _do_delete_record(
        self, conversation_id: str, expected_revision: str
    ) -> None:
        ports = self._runner.ports
        await deleting.delete_record(
            ports, conversation_id, expected_revision, self._writer.attempts
        )

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """
        Return an entry.

        Raises:
            KeyError: If it is stored nowhere.
        """
        return await self._runner.run(partial(self._do_read_entry, entry_id))

    async def _do_read_entry(self, entry_id: str) -> ConversationEntry:
        return await reading.read_entry(self._runner.ports, entry_id)

    async def read_history(
        self, head_id: str | None, *, limit: int | None = None
    ) -> list[ConversationEntry]:
        """
        Return the entries up to one, oldest first, or the last ones of them.

        It is read as one range, where it was forked as one for each conversation that
        it leads through. Where *head_id* is no head of a conversation that was read
        lately, its place is looked up before that.

        Args:
            head_id: The last entry; None for no history at all.

            limit: At most so many.

        Raises:
            KeyError: If one of them is stored nowhere.
        """
        if head_id is None or limit == 0:
            return []
        return await self._runner.run(partial(self._do_read_history, head_id, limit))

    async def _do_read_history(
        self, head_id: str, limit: int | None
    ) -> list[ConversationEntry]:
        place = self._writer.recent.place_of(head_id)
        return await reading.read_history(self._runner.ports, head_id, limit, place)

    async def get_session(self, conversation_id: str) -> Session:
        """
        Return the session of a conversation.

        Raises:
            SessionNotFoundError: If there is no such conversation.
        """
        return await self._runner.run(partial(self._do_get_session, conversation_id))

    async def _do_get_session(self, conversation_id: str) -> Session:
        ports = self._runner.ports
        found = await reading.find_conversation(ports, conversation_id)
        if found is None:
            raise SessionNotFoundError(reading.first_session_id(conversation_id))
        return found.session

    async def read_transcript(
        self, conversation_id: str, *, limit: int | None = None
    ) -> Transcript:
        """
        Return what was said in a conversation's present history.

        Unlike the transcript of its session it has what a fork shares, and leaves out
        what a branch has left.

        Args:
            conversation_id: Which conversation.

            limit: Only its last messages, so many.

        Raises:
            SessionNotFoundError: If there is no such conversation.
        """
        session = await self.get_session(conversation_id)
        entries = await self.load_entries(conversation_id, limit=limit)
        return reading.transcript_of_entries(session.id, entries or ())
