"""
How conversations, entries and histories are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import attrs
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord

from asm_async.errors import SessionNotFoundError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.pydantic_ai.events import events_of, time_of
from asm_async.integrations.pydantic_ai.places import (
    ENTRY_PREFIX,
    READER_PREFIX,
    LoggedEntry,
    LogPosition,
    Place,
    Reader,
    again_name,
    entry_name,
    index_name,
    log_scope,
)
from asm_async.integrations.pydantic_ai.records import (
    StoredConversation,
    conversation_of,
    entry_from_json,
    entry_to_json,
    fitting_text,
)
from asm_async.ports.query_api import MAX_PAGE_SIZE
from asm_async.ports.together import Ports
from asm_async.transcripts import Transcript, transcript_of
from asm_async.values.event import Event
from asm_async.values.session import Session


def first_session_id(conversation_id: str) -> str:
    """
    Return the id of a conversation's session, unless it came again after a deletion.
    """
    return safe_id("pydantic-ai", conversation_id)


def user_of(scope: str) -> str:
    """
    Return the user that a scope's sessions have.
    """
    return fitting_text(scope) or safe_id("pydantic-ai.scope", scope)


async def find_session(ports: Ports, session_id: str) -> Session | None:
    """
    Return a session, soft-deleted or not; None if there is none.
    """
    try:
        return await ports.store.get_session(session_id)
    except SessionNotFoundError:
        return None


async def live_home(ports: Ports, session_id: str | None) -> str | None:
    """
    Return the session if items can go with it; None if it is deleted.
    """
    found = None if session_id is None else await find_session(ports, session_id)
    return None if found is None or found.deleted_at is not None else found.id


@attrs.frozen
class FoundSessions:
    """
    The sessions that may be a conversation's.

    That is the first one. Where its conversation is deleted and it may be there still,
    or another's has its id, the conversation came again under another, which an item
    names.
    """

    first: Session | None
    """
    The session of the id that follows from the conversation's.
    """

    again: Session | None = None
    """
    The session that the item names.
    """

    again_revision: int = 0
    """
    The revision of the item, 0 if there is none; not looked for if the first one is it.
    """

    def conversation(self) -> StoredConversation | None:
        """
        Return the conversation, also of a soft-deleted session; None if there is none.
        """
        for session in (self.first, self.again):
            found = None if session is None else conversation_of(session)
            if found is not None:
                return found
        return None


async def find_sessions(ports: Ports, conversation_id: str) -> FoundSessions:
    """
    Return the sessions that may be a conversation's.
    """
    first = await find_session(ports, first_session_id(conversation_id))
    if first is not None and conversation_of(first) is not None:
        return FoundSessions(first)
    scope, key = again_name(conversation_id)
    item = (await ports.state.get_items(scope, [key])).get(key)
    if item is None or item.session_id is None:
        return FoundSessions(first)
    again = await find_session(ports, item.session_id)
    return FoundSessions(first, again, item.revision)


async def find_conversation(
    ports: Ports, conversation_id: str
) -> StoredConversation | None:
    """
    Return a conversation; None if there is none, or its session is soft-deleted.
    """
    found = (await find_sessions(ports, conversation_id)).conversation()
    return None if found is None or found.session.deleted_at is not None else found


async def list_records(
    ports: Ports, agent_id: str, scope: str | None, limit: int | None
) -> list[ConversationRecord]:
    """
    Return the records of conversations, those that were saved last first.
    """
    records: list[ConversationRecord] = []
    cursor: str | None = None
    while limit is None or len(records) < limit:
        missing = MAX_PAGE_SIZE if limit is None else limit - len(records)
        page = await ports.query.search_sessions(
            agent_id=agent_id,
            user_id=None if scope is None else user_of(scope),
            order_by="updated_at_desc",
            limit=min(missing, MAX_PAGE_SIZE),
            cursor=cursor,
        )
        found = (conversation_of(session) for session in page)
        records += [
            each.record
            for each in found
            if each is not None and (scope is None or each.record.scope == scope)
        ]
        cursor = page.cursor
        if cursor is None:
            break
    return records


async def find_places(ports: Ports, entry_ids: Iterable[str]) -> dict[str, Place]:
    """
    Return where entries lie, by id; those that are not stored are left out.
    """
    by_scope: dict[str, dict[str, str]] = {}
    for entry_id in entry_ids:
        scope, key = index_name(entry_id)
        by_scope.setdefault(scope, {})[key] = entry_id
    places: dict[str, Place] = {}
    for scope, keys in by_scope.items():
        items = await ports.state.get_items(scope, list(keys))
        for key, item in items.items():
            places[keys[key]] = Place.from_json(item.data)
    return places


async def find_place(ports: Ports, entry_id: str) -> Place:
    """
    Return where an entry lies.

    Raises:
        KeyError: If it is not stored: what the framework takes for that.
    """
    return (await find_places(ports, [entry_id]))[entry_id]


async def read_entry(ports: Ports, entry_id: str) -> ConversationEntry:
    """
    Return an entry.

    Raises:
        KeyError: If it is not stored.
    """
    place = await find_place(ports, entry_id)
    scope, key = entry_name(*place.line[0])
    items = await ports.state.get_items(scope, [key])
    if key not in items:
        raise KeyError(entry_id)
    return entry_from_json(LoggedEntry.from_item(items[key]).data)


async def read_history(
    ports: Ports, head_id: str, limit: int | None, place: Place | None
) -> list[ConversationEntry]:
    """
    Return the entries up to one, oldest first, or only the last ones of them.

    Args:
        ports: Where they are.

        head_id: The last one.

        limit: At most so many.

        place: Where the last one lies; None if that is not known.

    Raises:
        KeyError: If it, or one before it, is not stored.
    """
    if place is None:
        place = await find_place(ports, head_id)
    found: list[ConversationEntry] = []
    for position in place.line:
        missing = None if limit is None else limit - len(found)
        if missing is None or missing > 0:
            found += await _read_log(ports, position, missing, head_id)
    return found[::-1]


async def _read_log(
    ports: Ports, last: LogPosition, limit: int | None, head_id: str
) -> list[ConversationEntry]:
    """
    Return the entries of one log up to one, newest first.

    What a branch has left lies between them, and is passed over.
    """
    log_id, wanted = last
    scope, before = entry_name(log_id, wanted + 1)
    found: list[ConversationEntry] = []
    while True:
        items = await ports.state.list_items(
            scope,
            prefix=ENTRY_PREFIX,
            before=before,
            descending=True,
            limit=None if limit is None else limit - len(found),
        )
        for item in items:
            logged = LoggedEntry.from_item(item)
            if logged.place.position != wanted:
                continue
            found.append(entry_from_json(logged.data))
            if logged.parent is None or len(found) == limit:
                return found
            wanted = logged.parent
        if limit is None or not items:
            raise KeyError(head_id)
        before = items[-1].key


async def read_readers(ports: Ports, log_id: str) -> list[Reader]:
    """
    Return all readers of a log.
    """
    items = await ports.state.list_items(log_scope(log_id), prefix=READER_PREFIX)
    return [Reader.from_item(item) for item in items]


async def read_log(ports: Ports, log_id: str) -> dict[int, LoggedEntry]:
    """
    Return all entries of a log, by number.
    """
    items = await ports.state.list_items(log_scope(log_id), prefix=ENTRY_PREFIX)
    found = [LoggedEntry.from_item(item) for item in items]
    return {each.place.position: each for each in found}


def before_in_log(entries: Mapping[int, LoggedEntry], position: int) -> set[int]:
    """
    Return the numbers of the history up to one, as far as it lies in the log.
    """
    found: set[int] = set()
    wanted: int | None = position
    while wanted is not None and wanted in entries:
        found.add(wanted)
        wanted = entries[wanted].parent
    return found


def transcript_of_entries(
    session_id: str, entries: Iterable[ConversationEntry]
) -> Transcript:
    """
    Return what the messages of some entries say.
    """
    events: list[Event] = []
    for entry in entries:
        told = events_of(
            entry,
            entry_to_json(entry),
            session_id=session_id,
            run_id=entry.message.run_id,
            timestamp=time_of(entry, datetime.min.replace(tzinfo=UTC)),
        )
        events += told
    numbered = [
        attrs.evolve(event, sequence_number=number)
        for number, event in enumerate(events, start=1)
    ]
    return transcript_of(numbered, session_id=session_id)
