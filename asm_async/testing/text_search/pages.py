"""
The orders of what is found, and pages of it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from asm_async.errors import InvalidCursorError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextOrder, TextSearch
from asm_async.testing.factories import NOON, make_event
from asm_async.testing.text_search.contract import (
    TextSearchContract,
    numbers_of_matches,
    pages_of,
    say,
)

__all__ = ["TestTextPages"]


class TestTextPages(TextSearchContract):
    """
    Each order is total, and pages leave nothing out.
    """

    async def test_time_goes_from_the_latest(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        What is of the same time goes by session id, then by number, greatest first.
        """
        for session_id in ("ses_b", "ses_a"):
            await say(store, "word", "word", session_id=session_id)
        await say(store, "word", session_id="ses_c", timestamp=NOON - timedelta(1))
        await say(store, "word", session_id="ses_d", timestamp=NOON + timedelta(1))
        await search.update()

        found = await pages_of(search, "word", order_by="time")

        assert [(each.session.id, each.event and each.event.id) for each in found] == [
            ("ses_d", "evt_1"),
            ("ses_b", "evt_2"),
            ("ses_b", "evt_1"),
            ("ses_a", "evt_2"),
            ("ses_a", "evt_1"),
            ("ses_c", "evt_1"),
        ]

    async def test_relevance_goes_from_the_best(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        A short text all about it comes before long ones, and equal ones go by time.
        """
        filler = "and then somebody told another story " * 20
        await say(store, f"{filler} luggage {filler}")
        await say(store, "luggage, lost luggage")
        await say(store, f"{filler} luggage {filler}", timestamp=NOON + timedelta(1))
        await search.update()

        found = await pages_of(search, "luggage")

        assert numbers_of_matches(found) == [2, 3, 1]
        assert found[0].rank > found[1].rank >= found[2].rank > 0

    @pytest.mark.parametrize("order", ["relevance", "time"])
    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    async def test_pages_have_each_match_once(
        self, store: SessionStore, search: TextSearch, order: TextOrder, limit: int
    ) -> None:
        """
        Page by page everything is found once, in the order of one large page.
        """
        for session in range(3):
            for number in range(7):
                await say(
                    store,
                    "word " * (1 + number % 3) + "filler " * (number % 4),
                    session_id=f"ses_{session}",
                    timestamp=NOON + timedelta(seconds=number // 2),
                )
        await search.update()

        whole = await pages_of(search, "word", order_by=order)
        paged = await pages_of(search, "word", order_by=order, limit=limit)

        assert len(whole) == 21
        assert [(each.session.id, each.event) for each in paged] == [
            (each.session.id, each.event) for each in whole
        ]

    async def test_a_page_goes_on_behind_what_was_removed(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        A cursor is good though its event was retracted, and newer ones do not disturb.
        """
        await say(store, *["word"] * 6)
        await search.update()
        page = await search.search_text("word", order_by="time", limit=2)
        await store.retract_events("ses_1", first=4, last=6)
        await say(store, "word", timestamp=NOON + timedelta(1))
        await search.update()

        rest = await search.search_text("word", order_by="time", cursor=page.cursor)

        assert numbers_of_matches(page) == [6, 5]
        assert numbers_of_matches(rest) == [3, 2, 1]

    async def test_a_limit_of_none_gives_an_empty_page(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        With a limit of 0 there is no cursor either.
        """
        await say(store, "word")
        await search.update()

        page = await search.search_text("word", limit=0)

        assert (page.items, page.cursor) == ((), None)

    async def test_a_cursor_belongs_to_its_search(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Another query, order or filter refuses it; another limit does not.
        """
        await say(store, *["word other"] * 3)
        await search.update()
        page = await search.search_text("word", limit=1)
        assert len(await search.search_text("word", limit=2, cursor=page.cursor)) == 2

        with pytest.raises(InvalidCursorError):
            await search.search_text("other", cursor=page.cursor)
        with pytest.raises(InvalidCursorError):
            await search.search_text("word", order_by="time", cursor=page.cursor)
        with pytest.raises(InvalidCursorError):
            await search.search_text("word", user_id="kim", cursor=page.cursor)

    async def test_a_match_is_the_event_and_its_session(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Both are as they are stored, but for the session's context, which is left out.
        """
        [event] = await say(store, "a word", tenant_id="acme")
        await store.append_event_with_sequence(make_event(id="evt_2", data={}))
        session = await store.update_session(
            "ses_1",
            lambda session: type(session).from_dict(
                session.to_dict() | {"context": {"prompt": "x"}}
            ),
        )
        await search.update()

        [match] = await search.search_text("word")

        assert match.event == event
        assert match.session.to_dict() == session.to_dict() | {
            "context": {},
            "last_activity_at": match.session.to_dict()["last_activity_at"],
        }
