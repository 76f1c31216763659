"""
The session store of the Claude Agent SDK over ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self, cast

import attrs
from claude_agent_sdk import (
    SessionKey,
    SessionListSubkeysKey,
    SessionStoreEntry,
    SessionStoreListEntry,
    SessionSummaryEntry,
    fold_session_summary,
)
from claude_agent_sdk import SessionStore as AgentSessionStore

from asm_async.errors import (
    EventConflictError,
    RevisionConflictError,
    SessionNotFoundError,
)
from asm_async.integrations.claude_agent.entries import (
    Entry,
    answered_calls,
    called_tools,
    entries_of,
    events_of,
    originals_of,
    run_of,
    titles_of,
)
from asm_async.integrations.claude_agent.keys import (
    AGENT_ID,
    TranscriptKey,
    facts_of,
    tenant_of,
)
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.session_store import SessionStore
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.event import Event, EventType
from asm_async.values.session import Session

_PAGE_SIZE = 1_000


class AsmSessionStore(AgentSessionStore):
    """
    Transcripts of the Claude Agent SDK, each stored as a session.

    For ``ClaudeAgentOptions(session_store=...)``, and for the SDK's functions whose
    names end in ``_from_store`` or ``_via_store``.

    **Atomicity.** A batch is one commit: its entries, the session's summary and the
    tokens that it reports are stored together, or not at all.

    **Idempotence.** An entry whose ``uuid`` the transcript has already is not written
    again, also if it says something else. One without ``uuid`` is always appended.

    **Order.** Entries are in the order in which their batches were committed, by
    whichever process, and :meth:`load` returns them equal to what was appended.

    **Forms.** Messages, tool calls and their results are events of the usual types, all
    else is ``claude.entry``; each whole entry is under ``data["original"]``. The tenant
    is the *project_key*, and each answer of a model is a run with its tokens. What was
    retracted of a session is not loaded.

    Args:
        ports: Over which database; those of a portal serve any event loop. They stay
            the caller's to close.

        user_id: The person that new sessions are for, if one is known.

        timeout: How long, in seconds, a batch is tried again while others write to the
            same transcript.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self, ports: Ports, *, user_id: str | None = None, timeout: float = 30.0
    ) -> None:
        self._runner = PortsRunner(ports)
        self._user_id = fields.optional(user_id, "user_id", fields.text)
        self._timeout = fields.amount(timeout, "timeout")

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        migrate: bool = True,
        user_id: str | None = None,
        timeout: float = 30.0,
    ) -> Self:
        """
        Return a store over a database, for any thread and event loop.

        The database is opened by the first call, and closed by :meth:`aclose` or at the
        end of the process. All stores of a process to the same URL share it.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            user_id: As for the constructor.

            timeout: As for the constructor; also that of each call of the ports.
        """
        make = partial(cls, user_id=user_id, timeout=timeout)
        return open_adapter(url, make, migrate=migrate, timeout=timeout)

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def append(self, key: SessionKey, entries: list[SessionStoreEntry]) -> None:
        """
        Append a batch of entries, all or nothing; an empty one does nothing.

        Raises:
            ValidationError: If the key or an entry is wrong; nothing is stored.

            SessionDeletedError: If the session is soft-deleted.

            RevisionConflictError: If others wrote to it again and again.
        """
        transcript, checked = TranscriptKey.of(key), entries_of(entries)
        if checked:
            await self._runner.run(partial(self._do_append, transcript, checked))

    async def load(self, key: SessionKey) -> list[SessionStoreEntry] | None:
        """
        Return all entries of a transcript, oldest first; None if there are none.
        """
        transcript = TranscriptKey.of(key)
        return await self._runner.run(partial(self._do_load, transcript))

    async def list_sessions(self, project_key: str) -> list[SessionStoreListEntry]:
        """
        List the main transcripts of a project, with the times of their last batches.
        """
        return [
            {"session_id": each["session_id"], "mtime": each["mtime"]}
            for each in await self.list_session_summaries(project_key)
        ]

    async def list_session_summaries(
        self, project_key: str
    ) -> list[SessionSummaryEntry]:
        """
        List the summaries of a project's main transcripts, as of one moment.
        """
        return await self._runner.run(partial(self._do_list, project_key))

    async def delete(self, key: SessionKey) -> None:
        """
        Remove a transcript permanently, and before a main one those of its subagents.

        One that was never written is no error. A call that is broken off is finished by
        the next one.
        """
        transcript = TranscriptKey.of(key)
        await self._runner.run(partial(self._do_delete, transcript))

    async def list_subkeys(self, key: SessionListSubkeysKey) -> list[str]:
        """
        List the subpaths of a session's further transcripts, oldest first.
        """
        transcript = TranscriptKey.of(key).main
        found = await self._runner.run(partial(self._below, transcript))
        return [facts_of(session)["subpath"] for session in found]

    async def _do_append(self, key: TranscriptKey, entries: Sequence[Entry]) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._timeout
        while True:
            try:
                return await self._try_append(key, entries)
            except (RevisionConflictError, EventConflictError):
                # Another process has written meanwhile: what it wrote is read again.
                if clock() > deadline:
                    raise

    async def _try_append(self, key: TranscriptKey, entries: Sequence[Entry]) -> None:
        store = self._runner.ports.store
        stored = await _session_of(store, key)
        if stored is not None:
            entries = await _unknown(store, key, entries)
        if not entries:
            return
        events = await _events(store, key, entries)
        runs = [run_of(entry, key) for entry in entries]
        # Of the entries of one answer the last one tells all its tokens.
        last = {run.id: run for run in runs if run is not None}
        session = stored or key.new_session(self._user_id)
        if key.subpath is None:
            session = _summarised(session, key, entries)
            changes = Changes(
                events=tuple(events), session=session, runs=tuple(last.values())
            )
            revision = 0 if stored is None else stored.revision
            await store.commit(changes, expected_revision=revision)
        else:
            changes = Changes(
                events=tuple(events), create_session=session, runs=tuple(last.values())
            )
            await store.commit(changes)

    async def _do_load(self, key: TranscriptKey) -> list[SessionStoreEntry] | None:
        store = self._runner.ports.store
        session = await _session_of(store, key)
        if session is None or session.deleted_at is not None:
            return None
        events = await store.get_events(key.asm_id, visible_only=True)
        entries = originals_of(events)
        return cast("list[SessionStoreEntry]", entries) or None

    async def _do_list(self, project_key: str) -> list[SessionSummaryEntry]:
        fields.instance(project_key, "project_key", str)
        found = await self._runner.ports.store.list_sessions(
            agent_id=AGENT_ID, tenant_id=tenant_of(project_key), with_context=False
        )
        known = [facts_of(session) for session in found]
        return [
            cast("SessionSummaryEntry", facts["summary"])
            for facts in known
            if facts.get("project_key") == project_key and "summary" in facts
        ]

    async def _do_delete(self, key: TranscriptKey) -> None:
        store = self._runner.ports.store
        if key.subpath is None:
            # Those below go first: what is broken off leaves none without its main one.
            for session in await self._below(key, include_deleted=True):
                await store.delete_session(session.id)
        await store.delete_session(key.asm_id)

    async def _below(
        self, key: TranscriptKey, *, include_deleted: bool = False
    ) -> list[Session]:
        search = partial(
            self._runner.ports.query.search_sessions,
            parent_session_id=key.asm_id,
            include_deleted=include_deleted,
            with_context=False,
            order_by="created_at_asc",
            limit=_PAGE_SIZE,
        )
        page = await search()
        found = list(page)
        while page.cursor is not None:
            page = await search(cursor=page.cursor)
            found += page
        return [s for s in found if key.is_of(s) and "subpath" in facts_of(s)]


async def _session_of(store: SessionStore, key: TranscriptKey) -> Session | None:
    try:
        return await store.get_session(key.asm_id)
    except SessionNotFoundError:
        return None


async def _unknown(
    store: SessionStore, key: TranscriptKey, entries: Sequence[Entry]
) -> list[Entry]:
    """
    Return the entries that the transcript does not have yet.
    """
    # Retention may have taken the first of an entry's events, and left others.
    ids = {event_id for entry in entries for event_id in entry.event_ids}
    known = {event.id for event in await store.get_events(key.asm_id, ids=ids)}
    return [entry for entry in entries if known.isdisjoint(entry.event_ids)]


async def _events(
    store: SessionStore, key: TranscriptKey, entries: Sequence[Entry]
) -> list[Event]:
    names = called_tools(entries)
    search = partial(store.get_events, type=EventType.TOOL_CALL_STARTED, last=1)
    for call_id in answered_calls(entries):
        if call_id not in names:
            # An earlier batch has the call, whose result knows no more than its id.
            for call in await search(key.asm_id, correlation_id=call_id):
                names[call_id] = call.data["tool_name"]
    return [e for entry in entries for e in events_of(entry, key, names)]


def _summarised(
    session: Session, key: TranscriptKey, entries: Sequence[Entry]
) -> Session:
    """
    Return the session with a summary, and a title, that know of new entries.
    """
    facts: Mapping[str, Any] = facts_of(session)
    summary = fold_session_summary(
        facts.get("summary"),
        cast("SessionKey", key.plain),
        [cast("SessionStoreEntry", entry.original) for entry in entries],
    )
    # Clocks of other processes may go ahead: a later batch has a later time.
    summary["mtime"] = max(int(time.time() * 1_000), summary["mtime"] + 1)
    given, made = (titles_of(entries, name) for name in ("customTitle", "aiTitle"))
    is_given = given is not None or bool(facts.get("is_title_given"))
    title = given if is_given else made
    if title is not None:
        session = session.with_metadata(title=title)
    session = key.with_facts(session, summary=summary, is_title_given=is_given)
    return attrs.evolve(session, deleted_at=None)
