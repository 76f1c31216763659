"""
How the index comes to be up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count

import pytest

from asm_async.conventions.texts import event_texts
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.backend import TextSearchBackend
from asm_async.testing.concurrency import cancel_after, run_together
from asm_async.testing.factories import make_event
from asm_async.testing.text_search.contract import (
    LONG_SECONDS,
    OpenTextSearch,
    TextSearchContract,
    found_soon,
    numbers_found,
    say,
)
from asm_async.values.event import Event
from asm_async.values.text_match import IndexLag

__all__ = ["TestTextUpdates"]


class TestTextUpdates(TextSearchContract):
    """
    Each event is indexed once, by any updater, and however an updater ends.
    """

    async def test_an_update_indexes_what_is_new(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        It returns how many events it has read; a second one finds nothing to do.
        """
        assert await search.update() == 0
        await say(store, "word", "word")
        assert await numbers_found(search, "word") == []

        assert await search.update() == 2
        assert await search.update() == 0
        await say(store, "word")
        assert await search.update() == 1
        assert await numbers_found(search, "word") == [1, 2, 3]

    async def test_lag_says_what_is_not_indexed(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        All events of the log count, those without texts too.
        """
        assert await search.lag() == IndexLag(pending_events=0)
        await say(store, "word", "")
        await store.append_events([make_event(id="own", type="app.own")])

        before = await search.lag()
        await search.update()
        after = await search.lag()

        assert (before.pending_events, before.is_up_to_date) == (3, False)
        assert (after.pending_events, after.is_up_to_date) == (0, True)
        assert after.updated_at is not None
        assert after.holder is None

    async def test_progress_is_told_at_first_and_after_each_batch(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        It begins with everything pending, and ends with nothing.
        """
        for _ in range(3):
            await say(store, *["word"] * 900)
        told: list[IndexLag] = []

        assert await search.update(progress=told.append) == 2_700

        pending = [lag.pending_events for lag in told]
        assert pending == sorted(pending, reverse=True)
        assert len(pending) > 2
        assert (pending[0], pending[-1]) == (2_700, 0)

    async def test_what_progress_raises_ends_the_update(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        What was indexed stays, and the next update goes on behind it.
        """
        for _ in range(3):
            await say(store, *["word"] * 900)

        def stop(lag: IndexLag) -> None:
            if lag.pending_events < 2_700:
                raise KeyError(lag.pending_events)

        with pytest.raises(KeyError) as caught:
            await search.update(progress=stop)
        assert 0 < await search.update() == caught.value.args[0] < 2_700
        assert len(await numbers_found(search, "word")) == 2_700

    async def test_two_updaters_index_each_event_once(
        self,
        store: SessionStore,
        open_text_search: OpenTextSearch,
        backend: TextSearchBackend,
    ) -> None:
        """
        Both return when all that was stored is found, and together have read it once.
        """
        for session in range(4):
            await say(store, *["word"] * 500, session_id=f"ses_{session}")
        searches = [await open_text_search() for _ in range(3)]

        counts = await run_together([search.update() for search in searches])

        assert sum(counts) == 2_000
        assert await backend.count_indexed() == 2_000
        for search in searches:
            assert len(await numbers_found(search, "word")) == 2_000

    async def test_an_update_beside_appends_ends(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        It indexes what was stored when it was called, however much is appended since.
        """
        await say(store, *["word"] * 50)
        stopped = asyncio.Event()

        async def go_on() -> None:
            for number in count(1_000):
                if stopped.is_set():
                    return
                await store.append_events([make_event(id=f"evt_{number}")])
                # In memory, an append leaves no time to others.
                await asyncio.sleep(0)

        appending = asyncio.create_task(go_on())
        try:
            async with asyncio.timeout(LONG_SECONDS):
                assert await search.update() >= 50
        finally:
            stopped.set()
            await appending
        assert len(await numbers_found(search, "word")) == 50

    @pytest.mark.parametrize("turns", [0, 1, 3, 10, 30, 100, 300])
    async def test_a_cancelled_update_is_gone_on_with(
        self,
        store: SessionStore,
        search: TextSearch,
        backend: TextSearchBackend,
        turns: int,
    ) -> None:
        """
        Wherever it is cancelled, the next one makes the index whole, without doubles.
        """
        for _ in range(3):
            await say(store, *["word"] * 500)

        await cancel_after(turns, search.update())
        await search.update()

        assert len(await numbers_found(search, "word")) == 1_500
        assert await backend.count_indexed() == 1_500
        assert (await search.lag()).pending_events == 0

    async def test_following_keeps_the_index_up_to_date(
        self, store: SessionStore, open_text_search: OpenTextSearch
    ) -> None:
        """
        What is stored, and what comes, is found soon, also by others.
        """
        search, other = await open_text_search(), await open_text_search()
        await say(store, "word")
        async with search.following():
            await found_soon(other, "word", [1])
            await say(store, "word", "word")
            await found_soon(other, "word", [1, 2, 3])
            assert (await other.lag()).holder is not None
        assert (await other.lag()).holder is None

    async def test_an_update_beside_a_follower_waits_for_it(
        self, store: SessionStore, open_text_search: OpenTextSearch
    ) -> None:
        """
        It returns when the follower has indexed what was stored, and not before.
        """
        search, other = await open_text_search(), await open_text_search()
        async with search.following():
            await say(store, "word")
            await found_soon(other, "word", [1])
            await say(store, *["word"] * 30)
            async with asyncio.timeout(LONG_SECONDS):
                await other.update()
            assert len(await numbers_found(other, "word")) == 31

    async def test_two_followers_take_turns(
        self,
        store: SessionStore,
        open_text_search: OpenTextSearch,
        backend: TextSearchBackend,
    ) -> None:
        """
        When one ends, the other goes on; nothing is indexed twice.
        """
        search, other = await open_text_search(), await open_text_search()
        async with other.following():
            async with search.following():
                await say(store, "word")
                await found_soon(search, "word", [1])
            await say(store, "word")
            await found_soon(search, "word", [1, 2])
        assert await backend.count_indexed() == 2

    async def test_a_follower_ends_with_its_block(
        self, store: SessionStore, search: TextSearch
    ) -> None:
        """
        What the block raises is raised as it is.
        """
        await say(store, "word")
        with pytest.raises(KeyError):
            async with search.following():
                raise KeyError

    async def test_own_types_are_indexed_by_a_function(
        self, store: SessionStore, open_text_search: OpenTextSearch
    ) -> None:
        """
        It takes the place of the conventions, which it can ask, and makes the snippets.
        """

        def texts(event: Event) -> Iterable[str]:
            if event.type == "app.note":
                return [event.data["note"], event.data["author"]]
            return event_texts(event)

        search = await open_text_search(texts=texts)
        await say(store, "word")
        note = {"note": "an own word", "author": "Kim"}
        await store.append_events([make_event(id="own", type="app.note", data=note)])
        await search.update()

        assert await numbers_found(search, "word") == [1, 2]
        [match] = await search.search_text("kim")
        assert match.snippet.marked() == "an own word **Kim**"

    async def test_what_the_function_raises_ends_the_update(
        self, store: SessionStore, open_text_search: OpenTextSearch
    ) -> None:
        """
        The error is the function's own, with a note of the event; nothing is skipped.
        """
        is_broken, asked = True, asyncio.Event()

        def texts(event: Event) -> Iterable[str]:
            asked.set()
            if is_broken:
                raise KeyError(event.type)
            return event_texts(event)

        search = await open_text_search(texts=texts)
        await say(store, "word")
        with pytest.raises(KeyError) as caught:
            await search.update()
        assert caught.value.__notes__ == ["event 'evt_1' of session 'ses_1'"]
        asked.clear()
        with pytest.raises(KeyError):
            async with search.following():
                await asked.wait()

        is_broken = False
        await search.update()
        assert await numbers_found(search, "word") == [1]

    async def test_clear_begins_anew(
        self, store: SessionStore, search: TextSearch, backend: TextSearchBackend
    ) -> None:
        """
        Nothing is left, and the next update begins with the first event.
        """
        await say(store, "word", "word")
        await search.update()

        await search.clear()

        assert await backend.count_indexed() == 0
        assert await numbers_found(search, "word") == []
        assert (await search.lag()).pending_events == 2
        assert await search.update() == 2
        assert await numbers_found(search, "word") == [1, 2]

    async def test_clear_beside_a_follower_begins_anew(
        self,
        store: SessionStore,
        open_text_search: OpenTextSearch,
        backend: TextSearchBackend,
    ) -> None:
        """
        The follower loses its lease, takes it again, and indexes everything.
        """
        search, other = await open_text_search(), await open_text_search()
        await say(store, "word", "word")
        async with search.following():
            await found_soon(other, "word", [1, 2])
            await other.clear()
            await say(store, "word")
            await found_soon(other, "word", [1, 2, 3])
        assert await backend.count_indexed() == 3
