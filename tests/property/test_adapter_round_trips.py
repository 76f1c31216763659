"""
Whatever Hypothesis can think of comes back from every adapter as it went in.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
from hypothesis import HealthCheck, given, settings

from asm_async.ports.session_store import SessionStore
from asm_async.testing import strategies
from asm_async.testing.factories import make_session, run_of, session_of
from asm_async.testing.session_store.contract import SessionStoreContract
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.json_values import encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from tests.effort import examples

many_examples = settings(
    max_examples=examples(40),
    # All examples of a test share a store; each leaves it empty.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def text_of(value: Session | Run | Event) -> str:
    """
    Encode all fields of a value, so that floats are told apart by their last bit.
    """
    return encode_json(value.to_dict())


@asynccontextmanager
async def only_for_now(store: SessionStore, session_id: str) -> AsyncGenerator[None]:
    """
    Delete the session in the end, with all that the example has stored in it.
    """
    try:
        yield
    finally:
        await store.delete_session(session_id)


class TestAdapterRoundTrips(SessionStoreContract):
    """
    What is read equals what was given, and a repetition is recognised.
    """

    @many_examples
    @given(session=strategies.sessions())
    async def test_any_session_comes_back(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        By its id, in lists, and when it is saved again.
        """
        async with only_for_now(store, session.id):
            saved = await store.save_session(
                session, expected_revision=0, operation_id="op"
            )
            # An id that had been used before counts on from where it was.
            expected = text_of(
                session.with_given(saved.revision, saved.last_activity_at)
            )
            assert text_of(saved) == expected
            assert text_of(await store.get_session(session.id)) == expected
            [listed] = await store.list_sessions(
                status=session.status,
                agent_id=session.agent_id,
                tenant_id=session.tenant_id,
            )
            assert text_of(listed) == expected
            again = await store.save_session(
                session, expected_revision=0, operation_id="op"
            )
            assert text_of(again) == expected

    @many_examples
    @given(run=strategies.runs())
    async def test_any_run_comes_back(self, store: SessionStore, run: Run) -> None:
        """
        By its id, in lists, and when it is saved again.
        """
        async with only_for_now(store, run.session_id):
            await store.save_session(make_session(id=run.session_id))
            saved = await store.save_run(run, expected_revision=0, operation_id="op")
            expected = text_of(attrs.evolve(run, revision=saved.revision))
            assert text_of(saved) == expected
            assert text_of(await store.get_run(run.id)) == expected
            [listed] = await store.list_runs(run.session_id, status=run.status)
            assert text_of(listed) == expected
            again = await store.save_run(run, expected_revision=0, operation_id="op")
            assert text_of(again) == expected

    @many_examples
    @given(event=strategies.events())
    async def test_any_event_comes_back(
        self, store: SessionStore, event: Event
    ) -> None:
        """
        By each of its filters, and when it is appended again.
        """
        async with only_for_now(store, event.session_id):
            await store.save_session(make_session(id=event.session_id))
            stored = await store.append_event_with_sequence(event)
            number = await store.get_latest_sequence(event.session_id)
            expected = text_of(attrs.evolve(event, sequence_number=number))
            assert text_of(stored) == expected
            [read] = await store.get_events(
                event.session_id,
                run_id=event.run_id,
                type=event.type,
                since=event.timestamp,
            )
            assert text_of(read) == expected
            again = await store.append_event_with_sequence(event)
            assert text_of(again) == expected

    @many_examples
    @given(result=strategies.execution_results())
    async def test_any_execution_result_comes_back(
        self, store: SessionStore, result: ExecutionResult
    ) -> None:
        """
        Its events are numbered without a hole, and a repetition appends none.
        """
        session_id = session_of(result).id
        async with only_for_now(store, session_id):
            flushed = await store.flush(result)
            read = ExecutionResult(
                session=await store.get_session(session_id),
                run=await store.get_run(run_of(result).id),
                events=tuple(await store.get_events(session_id)),
            )
            for back in (flushed, read):
                assert session_of(back).has_same_content(session_of(result))
                assert run_of(back).has_same_content(run_of(result))
                assert [text_of(event) for event in back.events] == [
                    text_of(event) for event in read.events
                ]
            for event, given_event in zip(read.events, result.events, strict=True):
                assert event.has_same_content(given_event)
            again = await store.flush(result)
            assert again.events == flushed.events
