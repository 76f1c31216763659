"""
Texts that would do harm in the text of a statement come back, and find what is theirs.
"""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing import strategies
from asm_async.testing.factories import run_of, session_of
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.wrong_values import sql_texts
from asm_async.values.execution_result import ExecutionResult
from tests.effort import examples

_OBJECTS = st.dictionaries(sql_texts(), sql_texts(), max_size=2)


def _results() -> st.SearchStrategy[ExecutionResult]:
    """
    Make results whose texts are all such texts.
    """
    sessions = strategies.sessions(
        id=sql_texts(),
        agent_id=sql_texts(),
        tenant_id=sql_texts(),
        parent_session_id=sql_texts(),
        tags=st.lists(sql_texts(), min_size=1, max_size=3, unique=True),
        metadata=_OBJECTS,
        context=_OBJECTS,
    )
    runs = strategies.runs(
        id=sql_texts(), provider=sql_texts(), input=sql_texts(), metadata=_OBJECTS
    )
    events = strategies.events(
        id=sql_texts(),
        type=sql_texts().map("a.{}".format).map(lambda text: text[:255]),
        run_id=sql_texts(),
        data=_OBJECTS,
        provider=sql_texts(),
        correlation_id=sql_texts(),
    )
    return st.builds(_result, sessions, runs, events)


def _result(session: Any, run: Any, event: Any) -> ExecutionResult:
    return ExecutionResult(
        session=session,
        run=attrs.evolve(run, session_id=session.id),
        events=(attrs.evolve(event, session_id=session.id),),
    )


class TestSQLTexts(QueryAPIContract):
    """
    No text is read as anything but itself.
    """

    @settings(
        max_examples=examples(30),
        # All examples of a test share a store; each leaves it empty.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.too_slow,
        ],
    )
    @given(result=_results(), other=sql_texts())
    async def test_any_text_comes_back_and_is_found(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        result: ExecutionResult,
        other: str,
    ) -> None:
        """
        By each filter that takes one; another text finds nothing.
        """
        session, run, (event,) = session_of(result), run_of(result), result.events
        try:
            await store.flush(result)
            [stored] = await store.get_events(session.id, type=event.type)
            assert stored.has_same_content(event)
            assert (await store.get_run(run.id)).has_same_content(run)
            assert (await store.get_session(session.id)).has_same_content(session)
            filters: dict[str, Any] = {
                "agent_id": session.agent_id,
                "tenant_id": session.tenant_id,
                "tags": session.tags,
                "provider": run.provider,
                "parent_session_id": session.parent_session_id,
            }
            for name, value in filters.items():
                [found] = (await query_api.search_sessions(**{name: value})).items
                assert found.id == session.id, name
            [found_run] = (await query_api.search_runs(provider=run.provider)).items
            assert found_run.id == run.id
            [found_event] = (
                await query_api.search_events(
                    session_ids=[session.id],
                    run_ids=[str(event.run_id)],
                    types=[event.type],
                    providers=[str(event.provider)],
                    correlation_id=event.correlation_id,
                )
            ).items
            assert found_event == stored
            if other != session.agent_id:
                assert await store.list_sessions(agent_id=other) == []
            if other not in session.tags:
                assert (await query_api.search_sessions(tags=[other])).items == ()
        finally:
            await store.delete_session(session.id)
