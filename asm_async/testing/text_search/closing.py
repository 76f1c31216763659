"""
An index that is closed.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import StoreClosedError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.text_search.contract import (
    LONG_SECONDS,
    OpenTextSearch,
    TextSearchContract,
    numbers_found,
    say,
)

__all__ = ["TestTextSearchClosing"]


class TestTextSearchClosing(TextSearchContract):
    """
    It refuses what comes after, and leaves nothing behind.
    """

    async def test_a_closed_index_refuses_calls(self, search: TextSearch) -> None:
        """
        Closing twice is allowed.
        """
        await search.aclose()
        await search.aclose()

        with pytest.raises(StoreClosedError):
            await search.search_text("word")
        with pytest.raises(StoreClosedError):
            await search.update()
        with pytest.raises(StoreClosedError):
            await search.lag()
        with pytest.raises(StoreClosedError):
            await search.clear()

    async def test_closing_ends_a_follower(
        self, store: SessionStore, open_text_search: OpenTextSearch
    ) -> None:
        """
        The block goes on, and another index can go on with the work at once.
        """
        search, other = await open_text_search(), await open_text_search()
        await say(store, "word")
        async with search.following():
            await other.update()
            await search.aclose()
            await say(store, "word")
            async with asyncio.timeout(LONG_SECONDS):
                await other.update()
        assert await numbers_found(other, "word") == [1, 2]
