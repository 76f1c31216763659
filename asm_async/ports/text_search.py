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

    **Texts.** The texts of an event are its messages, tool calls, results and errors,
    as :func:`~asm_async.conventions.event_texts` finds them, or another function that
    the index was made with. The pieces of a streamed message are left out, since the
    whole message follows. The title of each session is a text too. The first 100,000
    characters of a text are indexed.

    **Words.** All adapters find the same:
    ``asm_async.values.search_terms.terms_of`` defines the words of a text and
    ``asm_async.values.text_query.parse_query`` those of a query. A text is found
    if it has everything that the query wants, and nothing that the query excludes.

    **Visibility.** A search finds only what a reader of the session can see at that
    moment: no event that was retracted, pruned or hard-deleted, and nothing of a
    soft-deleted session until it is restored. (``QueryAPI.search_events`` is for audits
    and finds more.) This does not depend on the index being up to date. Removing events
    from the log removes them from the index in the same transaction.

    **Updates.** Appending costs nothing. An updater follows the log and commits what it
    has indexed together with its checkpoint, so that each event is indexed exactly
    once, even if updaters are killed. Any number of processes may update; one at a time
    does so, and the others wait. An update also indexes the titles of the sessions that
    were saved since the last one.

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
        If ranks change while pages are read, because more was indexed, a page in the
        order of relevance may repeat a match or leave one out.

        Args:
            query:
                The query as people type it, of at most 4,096 characters and 128 words:
                ``words`` that must all be in the text, ``"a phrase"``, ``-excluded``,
                ``prefix*``, ``*part*``. A query without a wanted word, such as
                punctuation or ``-excluded`` alone, finds nothing.

            session_id: Only texts of this session.

            agent_id: Only texts of sessions of this agent.

            tenant_id: Only texts of sessions of this tenant.

            user_id: Only texts of sessions of this user.

            types: Only events of this type, or of one of these; no titles.

            roles:
                Only texts of this role, or of one of these: ``"system"``,
                ``"developer"``, ``"user"``, ``"assistant"`` (tool calls too) and
                ``"tool"`` (results and failures); no titles.

            since: Only events whose timestamp is this or later, and titles of sessions
                that were created then.

            until: Only those of an earlier time.

            order_by:
                ``relevance`` goes by rank, the best first; ``time`` by timestamp, the
                latest first. If words are in very many texts, an adapter may rank the
                latest thousands only: the earlier ones follow with a rank of 0. Ties go
                by time, session id and sequence number, the greatest first. A title
                counts as event 0 of its session, at the time when that was created.

            limit: The most that this page holds.

            cursor: Where the page begins: the *cursor* of the page before.
        """
        ...

    async def update(
        self, *, progress: Callable[[IndexLag], object] | None = None
    ) -> int:
        """
        Index the events that are stored now, and return.

        An update can be cancelled at any time; the next one continues after the last
        batch that was indexed. If another updater is at work, this one waits until all
        events that were stored at the call are indexed, by either of them.

        Args:
            progress: Called with how much is left, at first and after each batch. An
                exception that it raises ends the update.

        Returns:
            How many events this call has read.
        """
        ...

    def following(self) -> AbstractAsyncContextManager[None]:
        """
        Return a context manager in whose block the index is kept up to date.

        New events can be found about a second after their commit. Errors of the
        database are logged, and the updater tries again for as long as the block lasts.
        An exception of the function that finds an event's texts is logged, ends the
        updater, and is raised at the end of the block.
        """
        ...

    async def lag(self) -> IndexLag:
        """
        Return how many events are not indexed yet.
        """
        ...

    async def clear(self) -> None:
        """
        Empty the index; the next update begins with the first event.

        Needed after a change of the function that finds an event's texts.
        """
        ...

    async def aclose(self) -> None:
        """
        End updaters and release what they hold; refuse later calls.

        Closing twice is allowed. An engine that the caller passed in stays open.
        """
        ...
