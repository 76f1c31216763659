"""
The framework's history of a conversation, as events of a session.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Self

from agent_framework import (
    AgentSession,
    HistoryProvider,
    Message,
    SessionContext,
    SupportsAgentRun,
)

# What it takes for a replay is told nowhere else, and its own stores use it.
from agent_framework._sessions import filter_new_messages

from asm_async.errors import SequenceConflictError, SessionNotFoundError
from asm_async.integrations.agent_framework.message_events import (
    MESSAGE,
    events_of,
    message_of,
    note_names,
    record_of,
)
from asm_async.integrations.agent_framework.usage import Report, run_of_contents
from asm_async.integrations.ids import safe_id
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.json_values import JSONObject
from asm_async.values.session import Session, SessionStatus

_RETRY_SECONDS = 30.0


class AsmHistoryProvider(HistoryProvider):
    """
    A history provider that keeps each conversation as a session of a store.

    A message is one event, and one more for each tool call, result and approval beside
    the first: transcripts, searches and followers see the conversation. What the agent
    is given back is made of the message as the framework itself writes it, which the
    first event bears whole.

    **Atomicity.** What one run leaves behind, its messages, its token usage and, at
    first, the session, is stored all or nothing. Cancelled, a call is withdrawn or
    waits for its outcome.

    **Repetition.** As in the framework's own providers, what of the messages is there
    already, as a replay of the history's end, is not stored again. This is decided
    under the session's sequence number: of any number of writers none takes the
    messages of another for its own, and none writes between those of another.

    Args:
        ports: Where the sessions are; those of a portal serve any event loop.

        source_id:
            The provider's name, unique within an agent. Providers of other names keep
            conversations of their own, also in the same database.

        load_messages: Whether the agent is given the history before a run.

        store_inputs: Whether what went to the agent is stored.

        store_context_messages: Whether what other providers have added is.

        store_context_from: Of which providers, by their names; None for all.

        store_outputs: Whether the agent's responses are stored.

        skip_excluded: Leave out what a compaction has marked as excluded.

        agent_id: What the sessions have as theirs.

        tenant_id:
            Whose the sessions are: those of another tenant are neither read nor written
            to.

        user_id: For whom the agent works, in sessions that are begun.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    DEFAULT_SOURCE_ID: ClassVar[str] = "asm"
    """
    The provider's name unless it is given.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        source_id: str = DEFAULT_SOURCE_ID,
        load_messages: bool = True,
        store_inputs: bool = True,
        store_context_messages: bool = False,
        store_context_from: set[str] | None = None,
        store_outputs: bool = True,
        skip_excluded: bool = False,
        agent_id: str = "agent-framework",
        tenant_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        super().__init__(
            source_id,
            load_messages=load_messages,
            store_inputs=store_inputs,
            store_context_messages=store_context_messages,
            store_context_from=store_context_from,
            store_outputs=store_outputs,
        )
        self.skip_excluded = skip_excluded
        self._runner = PortsRunner(ports)
        self._agent_id = fields.text(agent_id, "agent_id")
        self._tenant_id = fields.optional(tenant_id, "tenant_id", fields.text)
        self._user_id = fields.optional(user_id, "user_id", fields.text)
        self._report: Report | None = None
        # What is no text is refused here, not by the first run.
        self.session_id_of(None)

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, **options: Any) -> Self:
        """
        Return a provider over a database, for any event loop, opened when it is used.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            options: What the class takes beside the ports.
        """
        make = partial(cls, **options)
        return open_adapter(url, make, migrate=migrate)

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    def session_id_of(self, session_id: str | None) -> str:
        """
        Return the id of the store's session that holds a conversation.

        Args:
            session_id: The framework's id. None has a conversation of its own, which
                all share who name none.
        """
        parts = () if session_id is None else (session_id,)
        return safe_id("agent-framework", self.source_id, *parts)

    async def get_messages(
        self,
        session_id: str | None,
        *,
        state: dict[str, Any] | None = None,  # noqa: ARG002 - the framework's
        **kwargs: Any,  # noqa: ARG002 - the same
    ) -> list[Message]:
        """
        Return the messages of a conversation, oldest first, without retracted ones.

        Args:
            session_id: The conversation, as for :meth:`session_id_of`; one that is not
                there has no messages.

            state: Not used: nothing of the history is kept in the framework's session.

            kwargs: Not used.

        Raises:
            ValidationError: If an event does not bear its message, such as after a
                redaction.
        """
        own_id = self.session_id_of(session_id)
        read = partial(self._events, own_id)
        messages = [message_of(event) for event in await self._runner.run(read)]
        if not self.skip_excluded:
            return messages
        return [m for m in messages if not m.additional_properties.get("_excluded")]

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,  # noqa: ARG002 - the framework's
        **kwargs: Any,  # noqa: ARG002 - the same
    ) -> None:
        """
        Append messages to a conversation, which is begun if it is not there.

        Args:
            session_id: The conversation, as for :meth:`session_id_of`.

            messages: Oldest first.

            state: Not used.

            kwargs: Not used.

        Raises:
            ValidationError: Naming the message, and what in it is no JSON; nothing is
                stored.

            SessionNotFoundError: If the session is another tenant's.

            SessionDeletedError: If the session is soft-deleted.

            SequenceConflictError: If others have written to it without a pause for half
                a minute.
        """
        own_id = self.session_id_of(session_id)
        given = list(messages)
        records = [record_of(each, f"messages[{i}]") for i, each in enumerate(given)]
        if records:
            save = partial(self._save, own_id, session_id, given, records)
            await self._runner.run(save)

    async def after_run(
        self,
        *,
        agent: SupportsAgentRun,
        session: AgentSession,
        context: SessionContext,
        state: dict[str, Any],
    ) -> None:
        """
        Store what a run of an agent leaves behind, with its token usage.
        """
        # The framework picks the messages and saves them by save_messages, which is not
        # told of the response. Runs go on side by side, so that each has its own copy.
        told = copy.copy(self)
        if context.response is not None:
            told._report = Report(agent, context.response)  # noqa: SLF001 - of this class
        store = super(AsmHistoryProvider, told).after_run
        await store(agent=agent, session=session, context=context, state=state)

    async def _events(
        self, own_id: str, *, before: int | None = None, last: int | None = None
    ) -> list[Event]:
        try:
            return await self._runner.ports.store.get_events(
                own_id,
                correlation_id=MESSAGE,
                visible_only=True,
                expected_tenant=self._tenant_id,
                before=before,
                last=last,
            )
        except SessionNotFoundError:
            # Another tenant's is there for nobody else.
            return []

    async def _save(
        self,
        own_id: str,
        session_id: str | None,
        given: list[Message],
        records: list[JSONObject],
    ) -> None:
        store = self._runner.ports.store
        begun = self._session(own_id, session_id)
        clock = asyncio.get_running_loop().time
        deadline, least = clock() + _RETRY_SECONDS, 0
        while True:
            latest = max(least, await self._latest(own_id))
            changes = await self._changes(begun, latest, given, records)
            if changes is None:
                return
            try:
                await store.commit(
                    changes, expected_sequence=latest, expected_tenant=self._tenant_id
                )
            except SequenceConflictError as conflict:
                if clock() >= deadline:
                    raise
                # A session that was deleted for good has no latest number, yet its
                # successor begins behind it.
                least = conflict.actual
            else:
                return

    async def _latest(self, own_id: str) -> int:
        try:
            return await self._runner.ports.store.get_latest_sequence(
                own_id, expected_tenant=self._tenant_id
            )
        except SessionNotFoundError:
            return 0

    async def _changes(
        self,
        begun: Session,
        latest: int,
        given: list[Message],
        records: list[JSONObject],
    ) -> Changes | None:
        """
        Return what there is to store behind an event, None if nothing.
        """
        # What a replay has in common with the history's end is no longer than itself.
        stored = await self._events(begun.id, before=latest + 1, last=len(given))
        seen = [message_of(event) for event in stored]
        new = records[len(given) - len(filter_new_messages(seen, given)) :]
        run = self._report.run(begun.id) if self._report else None
        run = run or run_of_contents(begun.id, new)
        if not new and run is None:
            return None
        names = dict[str, str]()
        for event in stored:
            original: Any = event.data["original"]
            note_names(original, names)
        events: list[Event] = []
        for record in new:
            run_id = None if run is None else run.id
            events += events_of(record, session_id=begun.id, run_id=run_id, names=names)
        return Changes(
            events=tuple(events),
            runs=() if run is None else (run,),
            create_session=begun,
        )

    def _session(self, own_id: str, session_id: str | None) -> Session:
        names = {"session_id": session_id, "source_id": self.source_id}
        session = Session.new(
            id=own_id,
            agent_id=self._agent_id,
            tenant_id=self._tenant_id,
            user_id=self._user_id,
            metadata={"agent_framework": names},
        )
        return session.update_status(SessionStatus.ACTIVE)
