"""
The front of a search for text: what every call checks, and how the index is fed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs

from asm_async.conventions.texts import EventTexts
from asm_async.conventions.titles import title_in
from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.loop_share import in_pieces
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.paging import Paging, check_paging
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.fronts.text_filters import (
    RANKS_PER_UNIT,
    FoundText,
    IndexedEvent,
    TextFilter,
)
from asm_async.fronts.text_indexing import TextIndexer
from asm_async.fronts.text_snippets import joined_texts, snippet_of
from asm_async.ports.event_consumer import EventBatch
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.text_search import TextSearch
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.page import Page
from asm_async.values.text_match import IndexLag, TextMatch
from asm_async.values.text_query import TextQuery


def text_search_of(ports: Ports) -> TextSearch:
    """
    Return the index of texts of some ports.

    Raises:
        UnsupportedOperationError: If they have none.
    """
    if ports.text_search is None:
        raise UnsupportedOperationError(
            "nothing indexes texts here: these ports have no text_search"
        )
    return ports.text_search


@observed
class TextSearchFront(TextSearch):
    """
    A search for text in front of a backend, which implements the abstract methods.

    A backend is given filters, pages and terms in their normal form. It keeps an index,
    and writes to it in one transaction with the acknowledgement of a batch.

    Args:
        feed: The feed that the index is fed by; its own, closed with it.

        kind: The kind of database that the feed's checkpoints are good for.

        texts: What is to be found of an event.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    def __init__(self, feed: EventFeed, *, kind: str, texts: EventTexts) -> None:
        self._feed = feed
        self._texts = fields.function(texts, "texts")
        self._indexer = TextIndexer(
            feed=feed,
            kind=kind,
            texts=texts,
            write=self._index,
            write_titles=self._index_titles,
        )

    @takes_arguments_of(TextSearch.search_text)
    async def search_text(
        self,
        query: str,
        *,
        order_by: object,
        limit: object,
        cursor: object,
        **filters: Any,
    ) -> Page[TextMatch]:
        wanted = TextFilter(query=query, **filters)
        paging = check_paging(wanted, order_by=order_by, limit=limit, cursor=cursor)
        parsed = wanted.parsed
        found: Sequence[FoundText] = ()
        if parsed.wanted:
            found = await self._search_text(wanted, parsed, paging)
        page = paging.page(found)
        matches = await in_pieces(lambda each: self._match(each, parsed), page.items)
        return Page(items=tuple(matches), cursor=page.cursor)

    async def update(
        self, *, progress: Callable[[IndexLag], object] | None = None
    ) -> int:
        if progress is not None:
            fields.function(progress, "progress")
        return await self._indexer.update(progress)

    @asynccontextmanager
    async def following(self) -> AsyncGenerator[None]:
        async with self._indexer.following():
            yield

    async def lag(self) -> IndexLag:
        return await self._indexer.lag()

    def _match(self, found: FoundText, query: TextQuery) -> TextMatch:
        if found.event is None:
            text = title_in(found.session.metadata)
        else:
            text = joined_texts(self._texts(found.event))
        return TextMatch(
            session=attrs.evolve(found.session, context={}),
            event=found.event,
            snippet=snippet_of(text, query),
            rank=found.rank / RANKS_PER_UNIT,
        )

    @abstractmethod
    async def _search_text(
        self, wanted: TextFilter, query: TextQuery, paging: Paging
    ) -> Sequence[FoundText]:
        """
        Return what is found, in the paging's order, behind its key; as many as needed.

        The query wants at least one phrase. Values are the caller's own.
        """

    @abstractmethod
    async def _index(self, batch: EventBatch, indexed: Sequence[IndexedEvent]) -> float:
        """
        Index the events of a batch and acknowledge it, both or neither.

        Events that are not there any more, or indexed already, are left out; and so are
        those without terms.

        Returns:
            How long, in seconds, others could not write meanwhile.
        """

    @abstractmethod
    async def _index_titles(self) -> None:
        """
        Index the titles of sessions that were saved since this was done last.
        """
