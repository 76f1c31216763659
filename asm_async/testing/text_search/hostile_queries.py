"""
What nobody would type on purpose, and people do.
"""

from __future__ import annotations

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.text_search.contract import (
    TextSearchContract,
    numbers_found,
    pages_of,
    say,
)

__all__ = ["TestHostileQueries"]

_HOSTILE = (
    '"',
    '"""',
    "'; DROP TABLE asm_events; --",
    "lost' OR '1'='1",
    "NEAR(lost luggage, 2)",
    "lost AND",
    "AND OR NOT",
    "NOT lost",
    "lost:*",
    "lost & !luggage | (x <-> y)",
    "content : lost",
    "{a b} : c ^ d + e",
    "^lost",
    "lost*luggage",
    "****",
    "-",
    "--",
    "-*",
    '-"',
    "*-",
    "lost\0luggage",
    "\0",
    "\ud800",
    "lost\udfffluggage",
    "\\",
    "%_%",
    "lost\\",
    "$1 :name ? %s %(x)s",
    "(((((",
    "\u202elost\u202c luggage",
    "🎉 👨\u200d👩\u200d👧 lost",
    "e\u0301\u0301\u0301",
    "\u0301",
    "\ufeff",
    "﷽ ﷺ",
    "\U0010ffff",
    "a" * 4_096,
    '"' * 4_096,
    "-" * 4_096,
    "*" * 4_096,
    "(" * 4_096,
    "lost " * 100,
    "東" * 129,
    '"' + "a " * 128,
)


class TestHostileQueries(TextSearchContract):
    """
    Whatever is typed has a meaning, or is refused as too long.
    """

    async def test_whatever_is_typed_has_a_meaning(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Quotes, operators, NUL, lone surrogates and wildcards raise nothing.
        """
        await say(store, *_HOSTILE, "lost luggage", session_id="ses_\"'%_")
        await search.update()

        for query in _HOSTILE:
            for order in ("relevance", "time"):
                found = await pages_of(search, query, order_by=order)
                assert all(each.event is not None for each in found)

    async def test_operators_of_databases_are_words(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        AND, OR, NOT and NEAR are looked for, and wildcards of LIKE are punctuation.
        """
        await say(store, "lost", "lost and found", "not lost", "near a b, 2 miles")
        await search.update()

        assert await numbers_found(search, "lost AND found") == [2]
        assert await numbers_found(search, "lost OR found") == []
        assert await numbers_found(search, "NOT lost") == [3]
        assert await numbers_found(search, "NEAR(a b, 2)") == [4]
        assert await numbers_found(search, "lo%t") == []
        assert await numbers_found(search, "l_st") == []
        assert await numbers_found(search, "*o_t*") == []

    @pytest.mark.parametrize(
        ("query", "bound"),
        [
            ("a" * 4_097, "4096 characters, got 4097"),
            ("w " * 2_000, None),
            (" ".join(f"w{number}" for number in range(129)), "128 words, got 129"),
            (" ".join(f"w{n}" for n in range(10_000)), "4096 characters, got 58889"),
            ("東" * 130, "128 words, got 129"),
        ],
    )
    async def test_a_query_is_bounded(
        self, search: TextSearch, query: str, bound: str | None
    ) -> None:
        """
        One that is too long is refused, with the bound; words that repeat count once.
        """
        if bound is None:
            assert not (await search.search_text(query)).items
            return
        with pytest.raises(ValidationError, match=f"^query: expected at most {bound}"):
            await search.search_text(query)
