"""
Real agents of the framework, with a chat client that answers from a script.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_framework import Agent, AgentSession, Content, tool

from asm_async import Ports, RunStatus
from asm_async.integrations.agent_framework import AsmHistoryProvider
from asm_async.transcripts import read_transcript
from tests.frameworks.agent_framework.stub_clients import MODEL, StubClient


@tool(approval_mode="never_require")
def look_up(city: str) -> str:
    """
    Look up the weather.
    """
    return f"Rain in {city}."


def agent_of(ports: Ports, client: StubClient, **options: Any) -> Any:
    """
    Make an agent that remembers in *ports*.
    """
    return Agent(
        client,
        name="helper",
        tools=[look_up],
        context_providers=[AsmHistoryProvider(ports)],
        **options,
    )


def call() -> Content:
    """
    Make a call of the tool.
    """
    return Content.from_function_call("c1", "look_up", arguments='{"city":"Bonn"}')


async def test_an_agent_remembers_in_another_process(ports: Ports) -> None:
    """
    Whoever has the session's id goes on where another agent has left off.
    """
    first = agent_of(ports, StubClient(["Hello Ann."]))
    await first.run("I am Ann.", session=AgentSession(session_id="s"))

    client = StubClient(["You are Ann."])
    await agent_of(ports, client).run("Who am I?", session=AgentSession(session_id="s"))

    assert client.asked == [["I am Ann.", "Hello Ann.", "Who am I?"]]


@pytest.mark.parametrize("per_call", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_run_with_tools_is_told(
    ports: Ports, *, stream: bool, per_call: bool
) -> None:
    """
    Its calls, results and answers stand in the transcript, its tokens in the summary.
    """
    client = StubClient(["I look.", call()], ["It rains."])
    agent = agent_of(
        ports, client, require_per_service_call_history_persistence=per_call
    )
    session = AgentSession(session_id="s")
    if stream:
        answer = await agent.run(
            "Weather?", session=session, stream=True
        ).get_final_response()
    else:
        answer = await agent.run("Weather?", session=session)

    assert answer.text.endswith("It rains.")
    transcript = await read_transcript(ports.store, "agent-framework/asm/s")
    function = {"name": "look_up", "arguments": '{"city":"Bonn"}'}
    tool_call = {"id": "c1", "type": "function", "function": function}
    assert transcript.to_openai() == [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "I look.", "tool_calls": [tool_call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Rain in Bonn."},
        {"role": "assistant", "content": "It rains."},
    ]
    runs = await ports.store.list_runs("agent-framework/asm/s")
    assert {run.status for run in runs} == {RunStatus.COMPLETED}
    assert {run.metadata["agent_name"] for run in runs} == {"helper"}
    summary = await ports.query.get_usage_summary(provider="openai")
    assert set(summary.by_model) == {MODEL}
    assert (summary.total_input_tokens, summary.total_output_tokens) == (8, 6)


async def test_an_agent_that_stores_nothing_leaves_nothing(ports: Ports) -> None:
    """
    The framework's own switches hold.
    """
    provider = AsmHistoryProvider(ports, store_inputs=False, store_outputs=False)
    agent: Any = Agent(StubClient(["Hi."]), context_providers=[provider])

    await agent.run("Hello", session=AgentSession(session_id="s"))

    assert await ports.store.list_sessions() == []


async def test_runs_side_by_side_have_their_own_tokens(ports: Ports) -> None:
    """
    One agent that answers many at once counts for each what it has used.
    """
    client = StubClient(*[["Hi."]] * 6)
    agent = agent_of(ports, client)
    questions = {f"s{number}": "?" * number for number in range(1, 7)}

    await asyncio.gather(
        *[
            agent.run(question, session=AgentSession(session_id=name))
            for name, question in questions.items()
        ]
    )

    for name, question in questions.items():
        (run,) = await ports.store.list_runs(f"agent-framework/asm/{name}")
        assert (run.input_tokens, run.output_tokens) == (len(question), 3)
        events = await ports.store.get_events(run.session_id)
        assert {event.run_id for event in events} == {run.id}


async def test_agents_without_a_session_are_apart(ports: Ports) -> None:
    """
    A run that is given no session is a conversation of its own.
    """
    client = StubClient(["One."], ["Two."])
    agent = agent_of(ports, client)

    await agent.run("first")
    await agent.run("second")

    assert client.asked == [["first"], ["second"]]
    assert len(await ports.store.list_sessions()) == 2
