"""
What is stored belongs to the store alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    make_event,
    make_events,
    make_execution_result,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.testing.session_store.contract import SessionStoreContract

__all__ = ["TestIsolation"]


def spoil(json_object: dict[str, Any]) -> None:
    """
    Change an object and what lies in it, as a careless caller might.
    """
    json_object["spoilt"] = True
    json_object["nested"].append("spoilt")


class TestIsolation(SessionStoreContract):
    """
    Changing the objects inside a value changes nothing that is stored.
    """

    async def test_changing_a_session_changes_nothing_stored(
        self, store: SessionStore
    ) -> None:
        """
        Neither the value given nor any that came back is the stored one.
        """
        given = make_session(metadata={"nested": []}, context={"nested": []})
        saved = await store.save_session(given)
        read = await store.get_session("ses_1")
        [listed] = await store.list_sessions()
        for value in (given, saved, read, listed):
            spoil(value.metadata)
            spoil(value.context)
        fresh = await store.get_session("ses_1")
        assert (fresh.metadata, fresh.context) == ({"nested": []}, {"nested": []})

    @pytest.mark.usefixtures("session")
    async def test_changing_a_run_changes_nothing_stored(
        self, store: SessionStore
    ) -> None:
        """
        Neither the value given nor any that came back is the stored one.
        """
        given = make_run(
            status="running", input={"nested": []}, provider_metadata={"nested": []}
        )
        saved = await store.save_run(given)
        read = await store.get_run("run_1")
        [listed] = await store.list_runs("ses_1")
        active = await store.get_active_run("ses_1")
        assert active is not None
        for value in (given, saved, read, listed, active):
            spoil(value.input)
            spoil(value.provider_metadata)
        fresh = await store.get_run("run_1")
        assert fresh.input == fresh.provider_metadata == {"nested": []}

    @pytest.mark.usefixtures("session")
    async def test_changing_an_event_changes_nothing_stored(
        self, store: SessionStore
    ) -> None:
        """
        Neither the value given, nor a stored one, also one given back for a duplicate.
        """
        given = make_event(data={"nested": []}, metadata={"nested": []})
        stored = await store.append_event_with_sequence(given)
        repeated = make_event(data={"nested": []}, metadata={"nested": []})
        [again] = await store.append_events([repeated])
        [read] = await store.get_events("ses_1")
        for value in (given, stored, again, read):
            spoil(value.data)
            spoil(value.metadata)
        [fresh] = await store.get_events("ses_1")
        assert fresh.data == fresh.metadata == {"nested": []}

    async def test_changing_what_was_flushed_changes_nothing_stored(
        self, store: SessionStore
    ) -> None:
        """
        Neither the result given nor the one that came back is the stored one.
        """
        given = make_execution_result(
            session=make_session(context={"nested": []}),
            run=make_run(output={"nested": []}),
            events=make_events(1, data={"nested": []}),
        )
        flushed = await store.flush(given)
        for value in (given, flushed):
            spoil(session_of(value).context)
            spoil(run_of(value).output)
            spoil(value.events[0].data)
        [event] = await store.get_events("ses_1")
        assert (await store.get_session("ses_1")).context == {"nested": []}
        assert (await store.get_run("run_1")).output == {"nested": []}
        assert event.data == {"nested": []}

    @pytest.mark.usefixtures("session")
    async def test_lists_belong_to_whoever_got_them(self, store: SessionStore) -> None:
        """
        Emptying a list empties nothing else.
        """
        await store.save_run(make_run())
        batch = make_events(2)
        stored = await store.append_events(batch)
        for given in (
            batch,
            stored,
            await store.get_events("ses_1"),
            await store.list_runs("ses_1"),
            await store.list_sessions(),
        ):
            given.clear()
        assert len(await store.get_events("ses_1")) == 2
        assert len(await store.list_runs("ses_1")) == 1
        assert len(await store.list_sessions()) == 1
