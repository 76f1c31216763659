"""
The port through which what was said is searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from asm_async.values.event import EventType
from asm_async.values.page import Page
from asm_async.values.text_match import IndexLag, TextMatch

TextOrder: TypeAlias = Literal["relevance", "time"]


@runtime_checkable
class TextSearch(Protocol):
    """
    An index of the words of events and of sessions' titles, beside the log.

    **What is indexed** is decided by :func:`~asm_async.conventions.event_texts`, or a
    function that takes its place: the words of messages, tool calls, results and
    errors; pieces of streamed messages are not, since the whole message follows. And
    the title of each session. Of an event, the first 100,000 characters are indexed.

    **Words.** Adapters agree in what is found: words are made by
    :func:`~asm_async.values.search_terms.terms_of`, queries are read by
    :func:`~asm_async.values.text_query.parse_query`, and a text is found if it alone
    has all that the query wants and nothing that it does not.

    **What is seen.** A search finds only what a reader of its session can see when it
    is asked: no event that was retracted, pruned or hard-deleted, and nothing of a
    session that is soft-deleted, until it is restored; other than
    ``QueryAPI.search_events``, which is for those who audit. This holds at once,
    however far the index is behind. What is removed from the log leaves the index with
    it.

    **Up to date.** Appending costs nothing: an updater follows the log, and commits
    what it has indexed together with its checkpoint, so that each event is indexed
    exactly once, whatever is killed in between. Any number of processes may update;
    one at a time does so, the others wait. Titles are indexed as they were when their
    session was last saved before an update.

    **Errors.** Every method raises ``ValidationError`` for a bad argument before
    anything is read, ``StoreClosedError`` after :meth:`aclose` and from another event
    loop than the one that first used it, and the family of ``StorageError`` where the
    database fails.
    """

    async def search_text(
        self,
        query: str,
        *,
        session_id: str | None = None,
        agent_id: str | None = None,
        tenant_id: str | None = None,
        user_id: str | None = None,
        types: EventType | str | Collection[EventType | str] | None = None,
        roles: str | Collection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        order_by: TextOrder = "relevance",
        limit: int = 20,
        cursor: str | None = None,
    ) -> Page[TextMatch]:
        """
        Find what was said.

        Filters and pages are those of :class:`~asm_async.ports.query_api.QueryAPI`.
        While more is indexed, pages in the order of relevance may show a text again, or
        leave one out, whose rank has changed.

        Args:
            query:
                As people type it, at most 4,096 characters and 128 words: ``words``
                that must all be there, ``"a phrase"``, ``-without``, ``prefix*``,
                ``*part*``. A query that wants no word, such as one of punctuation or of
                ``-without`` alone, finds nothing.

            session_id: Only texts of this session.

            agent_id: Only texts of sessions of this agent.

            tenant_id: Only texts of sessions of this tenant.

            user_id: Only texts of sessions of this user.

            types: Only events of this type, or of one of these; no titles.

            roles:
                Only what this role has said, or one of these: ``"system"``,
                ``"developer"``, ``"user"``, ``"assistant"``, which also calls tools,
                and ``"tool"``, whose results and failures they are; no titles.

            since: Only events whose timestamp is this or later, and titles of sessions
                that were created then.

            until: Only those of an earlier time.

            order_by:
                ``relevance`` goes by rank, the best first; ``time`` by timestamp, the
                latest first. What is equal goes by time, session id and sequence
                number, the greatest first; a title stands at the time when its session
                was created, with the number 0.

            limit: The most that this page holds.

            cursor: Where the page begins: the *cursor* of the page before.
        """
        ...

    async def update(
        self, *, progress: Callable[[IndexLag], object] | None = None
    ) -> int:
        """
        Index what is stored now, and return.

        It can be cancelled at any time, and goes on where it ended. If another updater
        is at work, it waits until all that was stored when it was called is indexed,
        whoever has indexed it.

        Args:
            progress: Called after each batch with how much is left. What it raises ends
                the update.

        Returns:
            How many events this call has read for it.
        """
        ...

    def following(self) -> AbstractAsyncContextManager[None]:
        """
        Return a context manager in whose block the index is kept up to date.

        New events can be found within a second or so of their commit. Where the
        database fails it logs that, and tries again for as long as the block lasts.
        Where the function that finds an event's texts fails, that is logged, the
        updater ends, and the block raises it in the end.
        """
        ...

    async def lag(self) -> IndexLag:
        """
        Return how far the index is behind the log.
        """
        ...

    async def clear(self) -> None:
        """
        Remove all that is indexed; the next update begins with the first event.

        Needed where another function decides what the texts of an event are.
        """
        ...

    async def aclose(self) -> None:
        """
        End updaters and release what they hold; refuse later calls.

        Closing twice is allowed. An engine that the caller passed in stays open.
        """
        ...
