"""
ADK's own runner and command line over our services.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.cli.service_registry import (
    ServiceRegistry,
    get_service_registry,
    load_services_module,
)
from google.adk.cli.utils.service_factory import (
    create_artifact_service_from_options,
    create_session_service_from_options,
)
from google.adk.models.base_llm import BaseLlm
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions.session import Session
from google.adk.tools.tool_context import ToolContext
from google.genai import types
from typing_extensions import override

from asm_async.errors import ValidationError
from asm_async.integrations.google_adk import (
    AsmArtifactService,
    AsmSessionService,
    open_artifact_service,
    open_session_service,
    register_services,
)
from asm_async.memory import InMemoryArtifactStore
from asm_async.portal import Portal
from asm_async.transcripts import read_transcript
from tests.frameworks.google_adk.adk_events import usage

# ADK announces what is experimental in it.
pytestmark = pytest.mark.filterwarnings("default")

ME: dict[str, Any] = {"app_name": "support", "user_id": "ann"}
SESSION: dict[str, Any] = {**ME, "session_id": "s1"}


class ScriptedModel(BaseLlm):
    """
    A model that calls a tool when it is asked, and answers when it has the result.
    """

    @override
    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse]:
        """
        Yield one answer.
        """
        del stream
        last = llm_request.contents[-1].parts or [types.Part()]
        part = types.Part(text=f"answer {len(llm_request.contents)}")
        if last[0].function_response is None:
            call = types.FunctionCall(name="look_up", args={"city": "Rome"})
            part = types.Part(function_call=call)
        yield LlmResponse(
            content=types.Content(role="model", parts=[part]),
            usage_metadata=usage(10, 5),
            model_version="gemini-2.5-flash",
        )


async def look_up(city: str, tool_context: ToolContext) -> dict[str, Any]:
    """
    Look a city up, and keep what was found.
    """
    tool_context.state["cities"] = [*tool_context.state.get("cities", []), city]
    tool_context.state["user:last"] = city
    tool_context.state["temp:now"] = city
    await tool_context.save_artifact("found.txt", types.Part(text=city))
    return {"degrees": 20}


def _runner(portal: Portal) -> Runner:
    agent = LlmAgent(
        name="agent",
        model=ScriptedModel(model="scripted"),
        tools=[look_up],
        output_key="said",
    )
    return Runner(
        app_name="support",
        agent=agent,
        session_service=AsmSessionService(portal.ports),
        artifact_service=AsmArtifactService(portal.ports, InMemoryArtifactStore()),
        auto_create_session=True,
    )


def _message(text: str) -> dict[str, Any]:
    content = types.Content(role="user", parts=[types.Part(text=text)])
    return {"user_id": "ann", "session_id": "s1", "new_message": content}


async def _session(runner: Runner) -> Session:
    session = await runner.session_service.get_session(**SESSION)
    assert session is not None
    return session


async def test_an_agent_runs_over_our_services(portal: Portal) -> None:
    """
    Its turns, tool calls, state, artifacts and tokens are all in the store.
    """
    runner = _runner(portal)
    for text in ("How warm is it?", "And now?"):
        yielded = [event async for event in runner.run_async(**_message(text))]
        assert yielded[-1].is_final_response()
    session = await _session(runner)
    assert session.state["cities"] == ["Rome", "Rome"]
    assert session.state["user:last"] == "Rome"
    assert "temp:now" not in session.state
    store = portal.ports.store
    roles = [m.role.value for m in (await read_transcript(store, _ID)).messages]
    assert roles == ["user", "assistant", "tool", "assistant"] * 2
    runs = await store.list_runs(_ID)
    assert [(run.status, run.total_tokens) for run in runs] == [("completed", 30)] * 2
    assert [run.id for run in runs] == list(
        dict.fromkeys(event.invocation_id for event in session.events)
    )


async def test_a_runner_rewinds(portal: Portal) -> None:
    """
    After a rewind state and artifacts are as before, and the agent forgets the turn.
    """
    runner = _runner(portal)
    for text in ("How warm is it?", "And now?"):
        _ = [event async for event in runner.run_async(**_message(text))]
    before = await _session(runner)
    last = before.events[-1].invocation_id
    await runner.rewind_async(
        user_id="ann", session_id="s1", rewind_before_invocation_id=last
    )
    session = await _session(runner)
    assert session.state["cities"] == ["Rome"]
    assert session.events[-1].actions.artifact_delta == {"found.txt": 2}
    answers = [event async for event in runner.run_async(**_message("Again?"))]
    assert answers[-1].content is not None
    assert answers[-1].content.parts is not None
    # Four of the first turn, the question, the call and its result: none of the second.
    assert answers[-1].content.parts[0].text == "answer 7"


def test_a_synchronous_run_works(portal: Portal) -> None:
    """
    Runner.run has a thread and a loop of its own, which the portal serves.
    """
    runner = _runner(portal)
    for _ in range(2):
        events = list(runner.run(**_message("How warm is it?")))
        assert events[-1].is_final_response()


_ID = "adk/support/ann/s1"


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """
    Yield a directory of agents, and forget what was imported from it.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = get_service_registry()
    for scheme in ("asm+sqlite", "asm+postgresql"):
        for factories in ("_session_factories", "_artifact_factories"):
            kept = {k: v for k, v in getattr(known, factories).items() if k != scheme}
            monkeypatch.setattr(known, factories, kept)
    yield tmp_path
    sys.modules.pop("services", None)


YAML = """\
services:
  - scheme: asm+sqlite
    type: session
    class: asm_async.integrations.google_adk.open_session_service
  - scheme: asm+sqlite
    type: artifact
    class: asm_async.integrations.google_adk.open_artifact_service
"""
PYTHON = """\
from asm_async.integrations.google_adk import register_services

register_services()
"""


@pytest.mark.parametrize(
    ("name", "text"), [("services.yaml", YAML), ("services.py", PYTHON)]
)
async def test_the_command_line_finds_our_services(
    agents: Path, name: str, text: str
) -> None:
    """
    A file beside the agents makes --session_service_uri and its sister know our URLs.
    """
    (agents / name).write_text(text)
    load_services_module(str(agents))
    sessions = create_session_service_from_options(
        base_dir=agents, session_service_uri="asm+sqlite:///s.sqlite3"
    )
    assert isinstance(sessions, AsmSessionService)
    artifacts = create_artifact_service_from_options(
        base_dir=agents,
        artifact_service_uri="asm+sqlite:///s.sqlite3?contents=c",
        strict_uri=True,
    )
    assert isinstance(artifacts, AsmArtifactService)
    await sessions.create_session(**SESSION)
    part = types.Part(text="x")
    await artifacts.save_artifact(**SESSION, filename="f", artifact=part)
    assert (agents / "s.sqlite3").exists()
    assert (agents / "c").is_dir()
    await sessions.close()
    await artifacts.close()


def test_services_are_registered_in_any_registry() -> None:
    """
    Both schemes are known, and PostgreSQL is opened when it is used.
    """
    registry = ServiceRegistry()
    register_services(registry)
    service = registry.create_session_service(
        "asm+postgresql://nobody@nowhere/none", agents_dir="agents", timeout=5.0
    )
    assert isinstance(service, AsmSessionService)


@pytest.mark.parametrize("uri", ["sqlite:///x", "asm+", ""])
def test_urls_that_are_none_of_ours_are_refused(uri: str) -> None:
    """
    A URL without our prefix, or without a database, is refused as such.
    """
    with pytest.raises(ValidationError, match=r"ur[il]"):
        open_session_service(uri)


def test_options_that_are_none_are_refused() -> None:
    """
    A misspelt option, and artifacts without a directory, are refused by name.
    """
    with pytest.raises(ValidationError, match="'migrat'"):
        open_session_service("asm+sqlite:///x.sqlite3", migrat=True)
    with pytest.raises(ValidationError, match="contents"):
        open_artifact_service("asm+sqlite:///x.sqlite3")
