"""
What the steps of a recorded run write.
"""

from __future__ import annotations

from typing import Any, cast

import pytest

from asm_async import conventions
from asm_async.errors import (
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.recording import record_run
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_event
from asm_async.testing.session_store.contract import (
    SessionStoreContract,
    numbers_of,
)
from asm_async.values.event import EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import Session

__all__ = ["TestRunSteps"]


class TestRunSteps(SessionStoreContract):
    """
    Each step writes its event, and what was changed of the run, in one commit.
    """

    async def test_a_run_is_stored_from_its_beginning_to_its_end(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        A run is running with its first event inside the block, completed behind it.
        """
        async with record_run(
            store,
            session,
            input="Is it raining?",
            provider="openai",
            model="gpt-5",
            metadata={"channel": "web"},
            correlation_id="trace-1",
        ) as run:
            begun = await store.get_run(run.id)
            (started,) = await store.get_events(session.id)
            await run.message_sent("Is it raining?")
            await run.tool_call_started("call_1", "weather", {"city": "Oslo"})
            await run.tool_call_completed("call_1", "weather", {"sky": "clear"})
            await run.turn_completed()
            answer = await run.message_received("No.")
            run.set_output("No.")
            run.set_cost(0.25)
        ended = await store.get_run(run.id)
        events = await store.get_events(session.id)

        assert begun.status is RunStatus.RUNNING
        assert (begun.input, begun.metadata) == ("Is it raining?", {"channel": "web"})
        assert (begun.provider, begun.model) == ("openai", "gpt-5")
        assert started.type is EventType.RUN_STARTED
        assert started.timestamp == begun.started_at
        assert ended.status is RunStatus.COMPLETED
        assert (ended.output, ended.cost_usd, ended.turn_count) == ("No.", 0.25, 1)
        assert [event.type for event in events] == [
            EventType.RUN_STARTED,
            EventType.MESSAGE_SENT,
            EventType.TOOL_CALL_STARTED,
            EventType.TOOL_CALL_COMPLETED,
            EventType.TURN_COMPLETED,
            EventType.MESSAGE_RECEIVED,
            EventType.RUN_COMPLETED,
        ]
        assert {event.run_id for event in events} == {run.id}
        assert {event.provider for event in events} == {"openai"}
        assert {event.correlation_id for event in events} == {"trace-1"}
        assert events[5] == answer
        assert events[-1].data == {"output": "No.", "cost_usd": 0.25}
        assert events[-1].timestamp == ended.ended_at

    async def test_every_event_of_a_run_has_its_layout(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        What the steps write has the layout that readers rely on.
        """
        call = ("call_1", "weather")
        async with record_run(store, session.id) as run:
            await run.message_sent("Hi", role="system", message_id="m_1")
            await run.message_streamed("He", message_id="m_2")
            await run.message_received("Hello", model="gpt-5", stop_reason="stop")
            await run.tool_approval_requested(*call, {"city": "Oslo"}, reason="asks")
            await run.tool_approval_granted(*call, decided_by="ada")
            await run.tool_approval_denied(*call, reason="no")
            await run.tool_call_started(*call, "Oslo", message_id="m_2")
            await run.tool_call_failed(*call, "no such city", error_code="404")
            await run.error_occurred("slow", details={"seconds": 3})
            await run.turn_completed(1, stop_reason="stop")
        events = await store.get_events(session.id)

        assert [conventions.shape_warnings(event) for event in events] == [()] * 12
        assert [event.data["message_id"] for event in events[1:3]] == ["m_1", "m_2"]

    async def test_usage_is_stored_with_the_next_step(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        What a provider reports is added up, and stored by the next step.
        """
        async with record_run(store, session, provider="openai") as run:
            run.add_usage({"prompt_tokens": 5, "completion_tokens": 2})
            run.add_usage(None)
            before = await store.get_run(run.id)
            await run.message_received("Hello")
            after = await store.get_run(run.id)
            run.add_usage({"input_tokens": 1, "output_tokens": 1, "total_tokens": 2})
        ended = await store.get_run(run.id)

        assert before.token_usage == {}
        assert after.token_usage == {
            "input_tokens": 5,
            "output_tokens": 2,
            "total_tokens": 7,
        }
        assert (ended.input_tokens, ended.output_tokens) == (6, 3)
        (last,) = await store.get_events(session.id, last=1)
        assert last.data["token_usage"] == ended.token_usage

    async def test_the_provider_may_change(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        A run that falls back to another provider says so, and so do its events.
        """
        async with record_run(store, session, provider="openai", model="a") as run:
            run.set_provider("anthropic", "b")
            stored = await run.message_received("Hello")

        ended = await store.get_run(run.id)
        assert (ended.provider, ended.model) == ("anthropic", "b")
        assert stored.provider == "anthropic"

    async def test_steps_of_many_tasks_are_written_in_order(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Steps of tasks that run at once leave no hole and none of them out.
        """
        async with record_run(store, session) as run:
            stored = await run_together(
                run.message_streamed(str(number)) for number in range(10)
            )

        assert sorted(numbers_of(stored)) == list(range(2, 12))
        assert len(await store.get_events(session.id)) == 12

    async def test_own_events_are_steps_too(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        Events of any type are written together, under their own ids, as of this run.
        """
        events = [
            make_event(id="evt_1", type="myapp.plan_revised", run_id=None),
            make_event(id="evt_2"),
        ]
        async with record_run(store, session) as run:
            stored = await run.append(*events)
            again = await run.append(*events)

        assert [event.id for event in stored] == ["evt_1", "evt_2"]
        assert {event.run_id for event in stored} == {run.id}
        assert again == stored

    async def test_what_is_no_event_of_the_run_is_refused(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        A step that cannot be written writes nothing, and the next one goes on.
        """
        async with record_run(store, session) as run:
            with pytest.raises(ValidationError, match=r"events\[0\].session_id"):
                await run.append(make_event(session_id="ses_2"))
            with pytest.raises(ValidationError, match=r"events\[1\].run_id"):
                await run.append(make_event(), make_event(run_id="run_2"))
            with pytest.raises(ValidationError, match="events: expected at least one"):
                await run.append()
            with pytest.raises(ValidationError, match="content"):
                await run.message_sent(cast("Any", 3))
            with pytest.raises(TypeError):
                await run.message_sent("Hello", run_id="run_2")
            with pytest.raises(ValidationError):
                run.set_cost(-1)
            with pytest.raises(ValidationError):
                run.set_output(object())
            with pytest.raises(ValidationError):
                run.add_usage(3)
            await run.message_sent("Hello")

        assert len(await store.get_events(session.id)) == 3

    async def test_wrong_arguments_are_refused_before_anything_is_written(
        self, store: SessionStore, session: Session
    ) -> None:
        """
        The error names the argument, and there is neither a run nor an event.
        """
        wrong: dict[str, Any] = {
            "session": 3,
            "input": object(),
            "provider": "",
            "model": 3,
            "metadata": 3,
            "correlation_id": "",
            "run_id": "",
            "exclusive": 1,
            "lease": 0.01,
            "expected_tenant": 3,
            "store": None,
        }
        for name, value in wrong.items():
            arguments: dict[str, Any] = {"store": store, "session": session}
            with pytest.raises(ValidationError, match=f"^{name}"):
                async with record_run(**(arguments | {name: value})):
                    raise AssertionError

        assert await store.list_runs(session.id) == []
        assert await store.get_events(session.id) == []

    async def test_a_run_needs_a_live_session_of_the_tenant(
        self, store: SessionStore, session: Session, backend: SessionStoreBackend
    ) -> None:
        """
        Of a session that is not there, or is another tenant's, nothing is recorded.
        """
        with pytest.raises(SessionNotFoundError):
            async with record_run(store, "ses_2"):
                raise AssertionError
        with pytest.raises(SessionNotFoundError):
            async with record_run(store, session, expected_tenant="acme"):
                raise AssertionError
        await backend.soft_delete(session.id)
        with pytest.raises(SessionDeletedError):
            async with record_run(store, session):
                raise AssertionError

        assert await store.list_runs(session.id) == []
