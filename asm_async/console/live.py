"""
What changes, as server-sent events: in one session, and in the list of sessions.

A stream lasts as long as its page shows it, and what comes quickly is sent together, so
that a busy session costs a page, and this process, no more than one that people type
in.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import attrs

from asm_async.console.access import Reader
from asm_async.console.answers import ChangedRows, LiveSession, Row
from asm_async.console.entry_answers import NewEntries
from asm_async.console.rows import rows_of
from asm_async.console.search import SessionFilters
from asm_async.console.sessions import live_session
from asm_async.console.windows import entries_of, hidden_of
from asm_async.errors import NotFoundError
from asm_async.integrations.fastapi.streams import Write
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.json_values import encode_json
from asm_async.values.retraction import Ranges
from asm_async.values.session import Session

MAX_NEW_ENTRIES = 100
"""
How many new entries one message has; of more a page fetches those that it shows.
"""

# How often a busy session is told of, and how long a silent one is not looked at.
_ENTRY_SECONDS = 0.2
_SILENT_SECONDS = 5.0

# Its figures take longer to add up than its events to read.
_FIGURE_SECONDS = 2.0

_LIST_SECONDS = 1.0
_LIST_LENGTH = 50

# Some changes leave no event: a list is read again at least every so many turns.
_TURNS_PER_READ = 5

# In milliseconds, as of the streams of the router.
_RECONNECTION_TIME = b"retry: 2000\n\n"

_Signature: TypeAlias = tuple[Any, ...]


def message(event: str, data: object, id_: int | None = None) -> bytes:
    """
    Write one message of a stream.
    """
    place = "" if id_ is None else f"id: {id_}\n"
    return f"{place}event: {event}\ndata: {encode_json(data)}\n\n".encode("ascii")


@attrs.define
class SessionStream:
    """
    The changes of one session, from the number on that a page has seen.
    """

    reader: Reader
    session_id: str
    place: int
    _hidden: Ranges = attrs.field(init=False, default=())
    _shown: LiveSession | None = attrs.field(init=False, default=None)

    async def produce(self, write: Write) -> None:
        """
        Write changes until the session is not there any more.
        """
        await write(_RECONNECTION_TIME)
        try:
            self._hidden = await hidden_of(self.reader, self.session_id)
            # What has been appended since the page asked for its window comes first.
            clock = asyncio.get_running_loop().time
            await self._write_entries(write, 0.0)
            await self._write_session(write)
            due = clock() + _SILENT_SECONDS
            while True:
                await asyncio.sleep(_ENTRY_SECONDS)
                if await self._write_entries(write, max(0.0, due - clock())):
                    due = min(
                        due, max(clock(), due - _SILENT_SECONDS + _FIGURE_SECONDS)
                    )
                if clock() >= due:
                    await self._write_session(write)
                    due = clock() + _SILENT_SECONDS
        except NotFoundError:
            await write(message("gone", {}))

    async def _write_entries(self, write: Write, seconds: float) -> bool:
        """
        Write what was appended, and return whether there was anything.
        """
        events, _ = await self.reader.view.get_events(
            self.session_id,
            after=self.place,
            limit=MAX_NEW_ENTRIES + 1,
            wait_timeout=seconds,
        )
        if not events:
            return False
        before = self._hidden
        is_long = len(events) > MAX_NEW_ENTRIES
        if is_long or any(event.type == EVENTS_RETRACTED for event in events):
            self._hidden = await hidden_of(self.reader, self.session_id)
        latest = events[-1].sequence_number
        if is_long:
            latest = await self.reader.ports.store.get_latest_sequence(
                self.session_id, expected_tenant=self.reader.tenant_id
            )
        shown = [] if is_long else events
        entries: NewEntries = {
            "items": await entries_of(self.reader, shown, self._hidden),
            "latest_sequence": latest,
            "retracted": None
            if self._hidden == before
            else [list(each) for each in self._hidden],
        }
        self.place = latest
        await write(message("entries", entries, latest))
        return True

    async def _write_session(self, write: Write) -> None:
        answer = await live_session(self.reader, self.session_id)
        if answer != self._shown:
            self._shown = answer
            await write(message("session", answer))


@attrs.define
class ListStream:
    """
    The changes of the beginning of the list of sessions.
    """

    reader: Reader
    filters: SessionFilters
    _signatures: dict[str, _Signature] = attrs.field(
        init=False, factory=dict[str, "_Signature"]
    )
    _rows: dict[str, Row] = attrs.field(init=False, factory=dict[str, Row])

    async def produce(self, write: Write) -> None:
        """
        Write changes for as long as the stream lasts.
        """
        await write(_RECONNECTION_TIME)
        checkpoint, turn = None, 0
        while True:
            now = await self.reader.view.get_latest_checkpoint()
            # At first all is told: what has changed since the page read its list is not
            # known here.
            if now != checkpoint or turn % _TURNS_PER_READ == 0:
                checkpoint = now
                changes = await self._changes()
                if changes["items"] or changes["removed"]:
                    await write(message("sessions", changes))
            turn += 1
            await asyncio.sleep(_LIST_SECONDS)

    async def _changes(self) -> ChangedRows:
        page = await self.reader.view.search_sessions(
            **self.filters.found_by,
            order_by="last_activity_desc",
            with_context=False,
            limit=_LIST_LENGTH,
        )
        found = {each.id: each for each in page.items if self.filters.is_recent(each)}
        signatures = {id_: _signature_of(each) for id_, each in found.items()}
        changed = [
            session
            for session in page.items
            if session.id in found
            and (
                signatures[session.id] != self._signatures.get(session.id)
                # Its lease may lapse, of which nothing is written.
                or _is_running(self._rows.get(session.id))
            )
        ]
        rows = await rows_of(self.reader, changed)
        items = [row for row in rows if row != self._rows.get(row["id"])]
        removed = [
            id_
            for id_ in self._signatures.keys() - found.keys()
            if not await self._is_listed(id_)
        ]
        known = self._rows | {row["id"]: row for row in rows}
        self._rows = {id_: known[id_] for id_ in found if id_ in known}
        self._signatures = signatures
        return {"items": items, "removed": sorted(removed)}

    async def _is_listed(self, session_id: str) -> bool:
        """
        Return whether a session still belongs to the list, if behind its beginning.
        """
        try:
            session = await self.reader.view.get_session(session_id)
        except NotFoundError:
            return False
        return self.filters.admits(session)


def _signature_of(session: Session) -> _Signature:
    return session.revision, session.last_activity_at, session.deleted_at


def _is_running(row: Row | None) -> bool:
    run = None if row is None else row["latest_run"]
    return run is not None and run["state"] == "running"
