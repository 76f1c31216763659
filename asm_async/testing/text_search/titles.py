"""
Titles of sessions.
"""

from __future__ import annotations

from datetime import timedelta

import attrs

from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.backend import TextSearchBackend
from asm_async.testing.factories import NOON, make_session
from asm_async.testing.text_search.contract import (
    TextSearchContract,
    found_soon,
    numbers_found,
    pages_of,
    say,
)
from asm_async.values.session import Session

__all__ = ["TestTitles"]


def titled(title: str, **fields: object) -> Session:
    """
    Make a session that has a title.
    """
    return make_session(metadata={"title": title}, **fields)


class TestTitles(TextSearchContract):
    """
    A title is found as a text of its own.
    """

    async def test_a_title_is_found(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        The match has no event, and the title for a snippet; a name will do.
        """
        await store.save_session(titled("Lost Luggage"))
        named = make_session(id="ses_2", metadata={"name": "More luggage"})
        await store.save_session(named)
        await search.update()

        found = await pages_of(search, "luggage", order_by="time")

        assert [
            (each.session.id, each.event, each.snippet.marked()) for each in found
        ] == [
            ("ses_2", None, "More **luggage**"),
            ("ses_1", None, "Lost **Luggage**"),
        ]

    async def test_a_title_stands_when_its_session_began(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        In the order of time, before all events of that time.
        """
        await store.save_session(titled("word", created_at=NOON))
        early, late = NOON - timedelta(1), NOON + timedelta(1)
        for time in (early, NOON, late):
            await say(store, "word", timestamp=time)
        await search.update()

        found = await pages_of(search, "word", order_by="time")

        numbers = [each.event and each.event.sequence_number for each in found]
        assert numbers == [3, 2, None, 1]
        assert await numbers_found(search, "word", since=NOON) == [0, 2, 3]
        assert await numbers_found(search, "word", until=NOON) == [1]

    async def test_a_changed_title_is_found_after_an_update(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        And the old one is not found any more, though nothing was appended.
        """
        await store.save_session(titled("old"))
        await search.update()
        await store.update_session(
            "ses_1", lambda session: attrs.evolve(session, metadata={"title": "new"})
        )
        await search.update()

        assert await numbers_found(search, "old") == []
        assert await numbers_found(search, "new") == [0]
        await store.update_session(
            "ses_1", lambda session: attrs.evolve(session, metadata={})
        )
        await search.update()
        assert await numbers_found(search, "new") == []

    async def test_a_follower_finds_new_titles(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Without any event.
        """
        async with search.following():
            await store.save_session(titled("word"))
            await found_soon(search, "word", [0])

    async def test_filters_apply_to_titles(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        They go by the session; nobody says a title, and it has no type.
        """
        await store.save_session(titled("word", tenant_id="acme", user_id="kim"))
        await search.update()

        assert await numbers_found(search, "word", tenant_id="acme") == [0]
        assert await numbers_found(search, "word", user_id="kim") == [0]
        assert await numbers_found(search, "word", session_id="ses_1") == [0]
        assert await numbers_found(search, "word", tenant_id="other") == []
        assert await numbers_found(search, "word", session_id="ses_2") == []
        assert await numbers_found(search, "word", types="message_received") == []
        assert await numbers_found(search, "word", roles="user") == []

    async def test_titles_go_with_their_sessions(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        They are not found while it is soft-deleted, and never again once it is removed.
        """
        await store.save_session(titled("word"))
        await search.update()
        maintenance = await backend.open_maintenance()

        await maintenance.soft_delete_session("ses_1")
        assert await numbers_found(search, "word") == []
        await maintenance.restore_session("ses_1")
        assert await numbers_found(search, "word") == [0]
        await maintenance.erase(session_ids=["ses_1"])
        assert await numbers_found(search, "word") == []
        await store.save_session(make_session())
        assert await numbers_found(search, "word") == []
