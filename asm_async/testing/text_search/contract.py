"""
What all parts of the suite stand on: a store that is written to, and an index.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Iterable
from typing import Any, Protocol

import pytest_asyncio

from asm_async.conventions.texts import EventTexts, event_texts
from asm_async.errors import SessionNotFoundError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.backend import TextSearchBackend
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.session_store.contract import OpenStore, SessionStoreContract
from asm_async.values.event import Event
from asm_async.values.text_match import TextMatch

__all__ = [
    "LONG_SECONDS",
    "OpenTextSearch",
    "TextSearchContract",
    "found_soon",
    "numbers_found",
    "numbers_of_matches",
    "pages_of",
    "say",
]

LONG_SECONDS = 30
"""
Longer than anything takes that comes at all.
"""

_OWNERS = ("tenant_id", "user_id", "agent_id")


async def found_soon(search: TextSearch, query: str, numbers: list[int]) -> None:
    """
    Wait until a search finds the events of these numbers.
    """
    async with asyncio.timeout(LONG_SECONDS):
        while await numbers_found(search, query) != numbers:  # noqa: ASYNC110 - see below
            # Another process may have indexed them, which sets no event.
            await asyncio.sleep(0.02)


class OpenTextSearch(Protocol):
    """
    Opens another index on the same database.
    """

    def __call__(self, *, texts: EventTexts = event_texts) -> Awaitable[TextSearch]:
        """
        Open it; the fixture closes it.
        """
        ...


async def say(
    store: SessionStore, *texts: str, session_id: str = "ses_1", **fields: Any
) -> list[Event]:
    """
    Store a message of each of *texts*, and first its session if there is none.

    Args:
        store: Where.

        texts: What is said.

        session_id: In which session.

        fields: Whose session it shall be, and what shall be otherwise in all events.
    """
    owner = {name: fields.pop(name) for name in _OWNERS if name in fields}
    if not await _is_stored(store, session_id):
        await store.save_session(make_session(id=session_id, **owner))
    latest = await store.get_latest_sequence(session_id)
    return await store.append_events(
        [
            make_event(
                id=f"evt_{number}",
                session_id=session_id,
                **({"data": {"content": text}} | fields),
            )
            for number, text in enumerate(texts, start=latest + 1)
        ]
    )


async def _is_stored(store: SessionStore, session_id: str) -> bool:
    try:
        await store.get_session(session_id)
    except SessionNotFoundError:
        return False
    return True


async def pages_of(
    search: TextSearch, query: str, *, limit: int = 1_000, **options: Any
) -> list[TextMatch]:
    """
    Return what is on all pages of a search, in order.
    """
    found: list[TextMatch] = []
    page = await search.search_text(query, limit=limit, **options)
    while True:
        assert len(page) <= limit
        found += page
        if page.cursor is None:
            return found
        page = await search.search_text(
            query, limit=limit, cursor=page.cursor, **options
        )


async def numbers_found(search: TextSearch, query: str, **options: Any) -> list[int]:
    """
    Return the numbers of the events that a search finds, 0 for a title, ascending.
    """
    return sorted(numbers_of_matches(await pages_of(search, query, **options)))


def numbers_of_matches(matches: Iterable[TextMatch]) -> list[int]:
    """
    Return the numbers of the events that were found, 0 for a title, in their order.
    """
    return [0 if each.event is None else each.event.sequence_number for each in matches]


class TextSearchContract(SessionStoreContract):
    """
    One part of the suite; its ``backend`` is a :class:`TextSearchBackend`.
    """

    @pytest_asyncio.fixture
    async def open_text_search(
        self, backend: TextSearchBackend, open_store: OpenStore
    ) -> AsyncGenerator[OpenTextSearch]:
        """
        Open as many indexes as the test wants, and close them before the stores.
        """
        _ = open_store
        opened: list[TextSearch] = []

        async def open_another(*, texts: EventTexts = event_texts) -> TextSearch:
            search = await backend.open_text_search(texts=texts)
            opened.append(search)
            return search

        yield open_another
        for search in opened:
            await search.aclose()

    @pytest_asyncio.fixture
    async def search(self, open_text_search: OpenTextSearch) -> TextSearch:
        """
        Open the index that is put to the test.
        """
        return await open_text_search()
