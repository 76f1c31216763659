"""
The piece of a text that is shown of a match.
"""

from __future__ import annotations

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.text_search.contract import TextSearchContract, say

__all__ = ["TestSnippets"]


class TestSnippets(TextSearchContract):
    """
    The same from every adapter.
    """

    @pytest.mark.parametrize(
        ("text", "query", "marked"),
        [
            (
                "Where is my lost luggage?",
                "luggage my",
                "Where is **my** lost **luggage**?",
            ),
            ("my lost\n\n  luggage", '"lost luggage"', "my **lost** **luggage**"),
            ("lost, not lost", "lost -found", "**lost**, not **lost**"),
            ("Straße und CAFÉ", "strasse café", "**Straße** und **CAFÉ**"),
            ("AsyncConnection", "*nection*", "**AsyncConnection**"),
            ("the beginning", "begin*", "the **beginning**"),
            ("東京都に行く", "京都", "東**京都**に行く"),
            ("東京都に行く", "行", "東京都に**行**く"),
            ("user_id=42", "user_id", "**user**_**id**=42"),
            ("<b>lost</b> & **found**", "lost", "<b>**lost**</b> & **found**"),
        ],
    )
    async def test_words_are_marked(
        self,
        store: SessionStore,
        search: TextSearch,
        text: str,
        query: str,
        marked: str,
    ) -> None:
        """
        Each word of what was searched for, as it is written, wherever it stands.
        """
        await say(store, text)
        await search.update()

        [match] = await search.search_text(query)

        assert match.snippet.marked() == marked

    async def test_a_long_text_is_cut_around_what_was_found(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        It shows where the most words stand, with an ellipsis at both ends.
        """
        filler = "nothing of interest here " * 100
        await say(store, f"{filler} lost {filler} my lost luggage {filler}")
        await search.update()

        [match] = await search.search_text("lost luggage")

        snippet = match.snippet
        assert "my **lost** **luggage** nothing" in snippet.marked()
        assert snippet.text.startswith("…")
        assert snippet.text.endswith("…")
        assert 100 < len(snippet.text) <= 240
        assert [snippet.text[a:b] for a, b in snippet.marks] == ["lost", "luggage"]
