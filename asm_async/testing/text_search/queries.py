"""
What the words of a query find.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.text_search.contract import (
    TextSearchContract,
    numbers_found,
    say,
)

__all__ = ["TestTextQueries"]

_SAID = (
    "Where is my lost luggage?",
    "My luggage is lost: flight LH-400, Zürich to İstanbul.",
    "AsyncConnection.rollback raised ConnectionError in user_id=42",
    "東京都に行く予定です。iPhoneを買います。",
    "สวัสดีครับ ยินดีต้อนรับ",
    "서울에서 만나요",
    "Мой ёж живёт в лесу",
    "don't panic, e-mail the CAFÉ: naïve façade",
    "lost lost lost and found",
    "ﬁne print: \uff12\uff10\uff12\uff16, ½ of it",
    "हिन्दी में लिखा है",
    "שָׁלוֹם עולם",
)

_FOUND: Mapping[str, Collection[int]] = MappingProxyType(
    {
        "luggage": {1, 2},
        "LUGGAGE": {1, 2},
        "lost luggage": {1, 2},
        "luggage lost": {1, 2},
        "lost": {1, 2, 9},
        '"lost luggage"': {1},
        '"lost luggage': {1},
        "“lost luggage”": {1},
        '"luggage lost"': (),
        '"my luggage is"': {2},
        "lost -luggage": {9},
        'lost -"lost luggage"': {2, 9},
        "lost -lugg*": {9},
        "lost - luggage": {1, 2},
        "lost --luggage": {1, 2},
        "lugg": (),
        "lugg*": {1, 2},
        '"lost lugg"*': {1},
        '"lost lugg*"': (),
        "connection": (),
        "*connection*": {3},
        "*nection": {3},
        "async*": {3},
        "*nectionerr*": {3},
        "*lost found*": {9},
        "user_id": {3},
        "id": {3},
        "user id": {3},
        '"id 42"': {3},
        "42": {3},
        "lh400": (),
        "lh-400": {2},
        '"lh 400"': {2},
        "zurich": {2},
        "Zu\u0308rich": {2},
        "istanbul": {2},
        "cafe": {8},
        "NAÏVE facade": {8},
        "don't": {8},
        "dont": (),
        "email": (),
        "e-mail": {8},
        "東京": {4},
        "京都": {4},
        "都": {4},
        "す": {4},
        "行く予定": {4},
        "京東": (),
        "iphone": {4},
        "iPhoneを買": {4},
        "です iphone": {4},
        "東京 -予定": (),
        "สวัสดี": {5},
        "ต้อน": {5},
        "서울": {6},
        "울에": {6},
        "еж": {7},
        "ЁЖ": {7},
        "мои": (),
        "мой": {7},
        "fine": {10},
        "2026": {10},
        "1 2": {10},
        "हिन्दी": {11},
        "हिन्द": (),
        "שלום": {12},
        "*ab*": (),
        "*is*": {1, 2},
        "and": {9},
        "or": (),
    }
)


class TestTextQueries(TextSearchContract):
    """
    All adapters find the same.
    """

    async def test_a_query_finds_the_texts_that_have_all_it_wants(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Words, phrases, exclusions, beginnings and parts of words, in many scripts.
        """
        await say(store, *_SAID)
        await search.update()

        found = {query: await numbers_found(search, query) for query in _FOUND}

        assert found == {query: sorted(numbers) for query, numbers in _FOUND.items()}

    @pytest.mark.parametrize(
        "query", ["", " ", "-luggage", '""', "*", "?!", "-", '-"lost luggage"', "🎉"]
    )
    async def test_a_query_that_wants_no_word_finds_nothing(
        self, store: SessionStore, search: TextSearch, query: str
    ) -> None:
        """
        Punctuation and mere exclusions give an empty page, which is the last one.
        """
        await say(store, *_SAID)
        await search.update()

        page = await search.search_text(query)

        assert (page.items, page.cursor) == ((), None)

    async def test_words_are_those_of_one_text(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        A query does not find words that two events of a session have between them.
        """
        await say(store, "lost", "luggage")
        await search.update()

        assert await numbers_found(search, "lost luggage") == []

    async def test_a_long_word_is_compared_by_its_beginning(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Of a word, its first 64 characters count, in texts and in queries.
        """
        await say(store, f"{'a' * 200} and {'b' * 63}")
        await search.update()

        assert await numbers_found(search, "a" * 64) == [1]
        assert await numbers_found(search, "a" * 100) == [1]
        assert await numbers_found(search, "a" * 63) == []
        assert await numbers_found(search, "b" * 63) == [1]

    async def test_a_long_text_is_found_by_its_beginning(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Of a text, the first 100,000 characters are indexed, whatever it is made of.
        """
        words = " ".join(f"w{number}" for number in range(20_000))
        every = "".join(chr(0x4E00 + number % 20_000) for number in range(120_000))
        await say(store, f"{words} latest", every, "w1 " * 30_000 + "earliest " * 9_000)
        await search.update()

        assert await numbers_found(search, "w1 w9000") == [1]
        assert await numbers_found(search, '"w9000 w9001"') == [1]
        assert await numbers_found(search, "latest") == []
        assert await numbers_found(search, every[50_000:50_020]) == [2]
        assert await numbers_found(search, '"w1 earliest"') == [3]
