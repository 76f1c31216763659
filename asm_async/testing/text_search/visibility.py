"""
What a reader cannot see any more is not found any more.
"""

from __future__ import annotations

from typing import Any

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.backend import TextSearchBackend
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.maintenance.contract import make_policy
from asm_async.testing.text_search.contract import (
    OpenTextSearch,
    TextSearchContract,
    numbers_found,
    say,
)

__all__ = ["TestTextVisibility"]


class TestTextVisibility(TextSearchContract):
    """
    At once, whether or not the index was updated since.
    """

    async def test_retracted_events_are_not_found(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        Also those that were retracted before they were indexed; what replaces them is.
        """
        await say(store, *["word"] * 5)
        await store.retract_events("ses_1", first=1, last=1)
        await search.update()
        assert await numbers_found(search, "word") == [2, 3, 4, 5]

        await store.retract_events(
            "ses_1",
            first=3,
            last=4,
            replacement=[make_event(id="new", data={"content": "another word"})],
        )
        assert await numbers_found(search, "word") == [2, 5]
        await search.update()
        assert await numbers_found(search, "word") == [2, 5, 8]

    async def test_pruned_events_leave_the_index(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        What is pruned is found no more, and nothing of it is left in the index.
        """
        await say(store, *["word"] * 5)
        await search.update()
        maintenance = await backend.open_maintenance()

        await maintenance.prune_session_events(
            "ses_1", make_policy(max_events_per_session=2)
        )

        assert await numbers_found(search, "word") == [4, 5]
        assert await backend.count_indexed() == 2

    async def test_what_was_pruned_before_is_not_indexed(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        An update ends though the latest events are gone.
        """
        await say(store, *["word"] * 3)
        await backend.prune("ses_1", [2, 3])

        assert await search.update() == 1
        assert await numbers_found(search, "word") == [1]
        assert (await search.lag()).pending_events == 0

    async def test_a_soft_deleted_session_is_not_found_until_it_is_restored(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        Its events are indexed all the same, so that they are found at once when it is.
        """
        await say(store, "word", "word")
        await say(store, "word", "x", "word", session_id="ses_2")
        maintenance = await backend.open_maintenance()
        await maintenance.soft_delete_session("ses_1")
        await search.update()
        assert await numbers_found(search, "word") == [1, 3]
        await maintenance.soft_delete_session("ses_2")
        assert await numbers_found(search, "word") == []

        await maintenance.restore_session("ses_1")

        assert await numbers_found(search, "word") == [1, 2]

    async def test_a_hard_deleted_session_leaves_the_index(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        And a new session of the same id is found by what it says itself.
        """
        await say(store, "word", "word")
        await search.update()
        maintenance = await backend.open_maintenance()

        await maintenance.erase(session_ids=["ses_1"])

        assert await numbers_found(search, "word") == []
        assert await backend.count_indexed() == 0
        await store.save_session(make_session())
        await store.append_events([make_event(data={"content": "other"})])
        await search.update()
        assert await numbers_found(search, "word") == []
        assert len(await numbers_found(search, "other")) == 1

    async def test_an_event_that_takes_the_place_of_a_removed_one_is_indexed(
        self,
        open_text_search: OpenTextSearch,
        store: SessionStore,
        backend: TextSearchBackend,
    ) -> None:
        """
        The same id, with other content, after its session began again.
        """
        search = await open_text_search()
        await say(store, "word")
        await search.update()
        await (await backend.open_maintenance()).erase(session_ids=["ses_1"])
        await store.save_session(make_session())
        await store.append_events([make_event(data={"content": "other"})])

        assert await numbers_found(search, "word") == []
        assert await numbers_found(search, "other") == []
        await search.update()
        assert len(await numbers_found(search, "other")) == 1

    @pytest.mark.parametrize("whose", ["tenant_id", "user_id"])
    async def test_what_is_erased_leaves_the_index(
        self,
        store: SessionStore,
        search: TextSearch,
        backend: TextSearchBackend,
        whose: str,
    ) -> None:
        """
        Of a tenant or a user that is erased nothing is found, and nothing is left.
        """
        await say(store, "word", **{whose: "one"})
        await say(store, "x", "word", session_id="ses_2", **{whose: "two"})
        await search.update()
        maintenance = await backend.open_maintenance()

        owner: dict[str, Any] = {whose: "one"}
        await maintenance.erase(**owner)

        assert await numbers_found(search, "word") == [2]
        assert await backend.count_indexed() == 2
