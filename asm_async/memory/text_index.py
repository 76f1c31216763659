"""
The search for text over what is kept in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from time import perf_counter

import attrs

from asm_async.conventions.texts import EventTexts, event_texts
from asm_async.fronts.observing import Observation, observed_call
from asm_async.fronts.paging import Paging
from asm_async.fronts.text_filters import (
    RANKS_PER_UNIT,
    FoundText,
    IndexedEvent,
    TextFilter,
)
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.fronts.text_search import TextSearchFront
from asm_async.memory.database import DatabaseAccess, InMemoryDatabase
from asm_async.memory.event_feed import InMemoryEventFeed
from asm_async.memory.retractions import hidden_of
from asm_async.memory.searches import cut_items
from asm_async.ports.event_consumer import EventBatch
from asm_async.values.retraction import is_hidden
from asm_async.values.session import Session
from asm_async.values.text_query import TextQuery, indexed_text

_SATURATION = 1.2
_BY_LENGTH = 0.75
_USUAL_LENGTH = 100


class InMemoryTextIndex(TextSearchFront):
    """
    A :class:`~asm_async.ports.text_search.TextSearch` without a database.

    Indexes over one database share what they have indexed. Each search scans all of it.

    Args:
        database: The database to search: the one that the session stores were given.

        texts: Returns the texts of an event; the same function for all indexes over a
            database.
    """

    def __init__(
        self, database: InMemoryDatabase, *, texts: EventTexts = event_texts
    ) -> None:
        super().__init__(InMemoryEventFeed(database), kind="memory", texts=texts)
        self._access = DatabaseAccess(database, "text index")
        self.observation: Observation | None = Observation()

    @observed_call
    async def clear(self) -> None:
        """
        Empty the index.
        """
        database = self._access.database
        database.texts.clear()
        database.consumers.pop(CONSUMER_NAME, None)

    async def aclose(self) -> None:
        """
        End updaters, and refuse what comes after.
        """
        if self._access.close():
            await self._feed.aclose()

    async def _search_text(
        self, wanted: TextFilter, query: TextQuery, paging: Paging
    ) -> Sequence[FoundText]:
        database = self._access.database
        found = list(_found_events(database, wanted, query))
        if wanted.takes_titles:
            found += _found_titles(database, wanted, query)
        return [_copy(each) for each in cut_items(found, paging)]

    async def _index(self, batch: EventBatch, indexed: Sequence[IndexedEvent]) -> float:
        began = perf_counter()
        # Nothing suspends between the two.
        await batch.acknowledge()
        database = self._access.database
        for each in indexed:
            event = each.event
            if each.terms and database.stored_event(event.session_id, event.id):
                database.texts.put(event, each.role, indexed_text(each.terms))
        return perf_counter() - began

    async def _index_titles(self) -> None:
        database = self._access.database
        for session in database.sessions.values():
            database.texts.put_title(session)


def _found_events(
    database: InMemoryDatabase, wanted: TextFilter, query: TextQuery
) -> Iterator[FoundText]:
    for session_id, texts in database.texts.texts.items():
        if not _is_wanted(session := database.sessions[session_id], wanted):
            continue
        hidden, stored = hidden_of(database, session_id), database.events[session_id]
        for number, text in texts.items():
            event = stored[text.event_id]
            if (
                (wanted.types is None or event.type in wanted.types)
                and (wanted.roles is None or text.role in wanted.roles)
                and _is_in_time(event.timestamp, wanted)
                and query.matches(text.text)
                and not is_hidden(number, hidden)
            ):
                rank = _rank(query, text.text)
                yield FoundText(session=session, event=event, rank=rank)


def _found_titles(
    database: InMemoryDatabase, wanted: TextFilter, query: TextQuery
) -> Iterator[FoundText]:
    for session_id, title in database.texts.titles.items():
        session = database.sessions[session_id]
        if (
            _is_wanted(session, wanted)
            and _is_in_time(session.created_at, wanted)
            and query.matches(title.text)
        ):
            rank = _rank(query, title.text)
            yield FoundText(session=session, event=None, rank=rank)


def _is_wanted(session: Session, wanted: TextFilter) -> bool:
    return (
        session.deleted_at is None
        and wanted.session_id in (None, session.id)
        and wanted.agent_id in (None, session.agent_id)
        and wanted.tenant_id in (None, session.tenant_id)
        and wanted.user_id in (None, session.user_id)
    )


def _is_in_time(time: datetime, wanted: TextFilter) -> bool:
    return (wanted.since is None or wanted.since <= time) and (
        wanted.until is None or time < wanted.until
    )


def _rank(query: TextQuery, text: str) -> int:
    """
    Rank a text by how often it has what is wanted, and the shorter the better.

    As in BM25 (Robertson and Zaragoza, 2009) more of the same counts less and less. How
    rare a word is makes little difference where a text must have them all; without it
    a rank stays what it is, whatever else is indexed.
    """
    length = text.count(" ") - 1
    burden = _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length / _USUAL_LENGTH)
    counts = [text.count(phrase.pattern) for phrase in query.wanted]
    score = sum(count / (count + burden) for count in counts) / len(counts)
    return round(score * RANKS_PER_UNIT)


def _copy(found: FoundText) -> FoundText:
    session = attrs.evolve(found.session)
    event = None if found.event is None else attrs.evolve(found.event)
    return attrs.evolve(found, session=session, event=event)
