"""
Importing what has used up its numbers.
"""

from __future__ import annotations

import asyncio

import pytest

from asm_async.errors import ConflictError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_event, make_events, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import (
    export_of,
    exported,
    history,
    pieces,
)
from asm_async.values.changes import Changes
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.fields import MAX_COUNT

__all__ = ["TestLastNumbers"]


class TestLastNumbers(QueryAPIContract):
    """
    What readers of JSON could not tell apart is never given out.
    """

    async def test_the_last_number_is_the_last(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A session whose numbers are used up takes no more, and can still be exported.
        """
        records = history(runs=(), events=(), pruned_count=MAX_COUNT - 1)
        await query_api.import_sessions(pieces(export_of(records)))
        for batch in (make_events(2), make_events(2, first=3)):
            with pytest.raises(ConflictError, match="last sequence number"):
                await store.append_events(batch)
        (last,) = await store.append_events(make_events(1))
        for _ in range(2):
            with pytest.raises(ConflictError, match="last sequence number"):
                await store.append_event(make_event(id="evt_new"))

        assert last.sequence_number == MAX_COUNT
        assert await store.get_events("ses_1") == [last]
        assert await store.append_events(make_events(1)) == [last]
        assert str(MAX_COUNT).encode() in await exported(query_api)

    @needs(Capability.UNIQUE_IDS)
    async def test_what_has_too_few_numbers_left_leaves_nothing(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Also in the group of others, whatever is stored with the events.
        """
        records = history(runs=(), events=(), pruned_count=MAX_COUNT - 1)
        await query_api.import_sessions(pieces(export_of(records)))
        await store.save_session(make_session(id="ses_2"))
        before = await store.get_session("ses_1")
        two = tuple(make_events(2, first=3))
        outcomes = await asyncio.gather(
            store.append_event(make_event(session_id="ses_2")),
            store.append_events([*two, make_event(id="evt_5", session_id="ses_2")]),
            store.commit(Changes(events=two, runs=(make_run(),))),
            store.commit(Changes(events=two, session=make_session(agent_id="b"))),
            store.append_event(make_event(id="evt_4", session_id="ses_2")),
            return_exceptions=True,
        )
        assert [type(each) for each in outcomes[1:4]] == [ConflictError] * 3
        assert await store.get_latest_sequence("ses_1") == MAX_COUNT - 1
        assert await store.get_events("ses_1") == []
        assert await store.list_runs("ses_1") == []
        assert await store.get_session("ses_1") == before
        assert [event.id for event in await store.get_events("ses_2")] == [
            "evt_1",
            "evt_4",
        ]

    async def test_the_last_revision_is_the_last(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        What has it can be read, and is not saved any more.
        """
        session, run = make_session(revision=MAX_COUNT), make_run(revision=MAX_COUNT)
        await query_api.import_sessions(pieces(export_of(history(session, runs=[run]))))
        for save in (
            store.save_session(make_session(agent_id="b")),
            store.save_run(make_run(turn_count=9)),
            store.flush(ExecutionResult(run=make_run(turn_count=9))),
        ):
            with pytest.raises(ConflictError, match="last revision"):
                await save

        assert await store.get_session("ses_1") == session
        assert await store.get_run("run_1") == run
