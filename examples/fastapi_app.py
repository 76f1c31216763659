"""
An agent behind HTTP, whose sessions stream to the browser.

    python examples/fastapi_app.py
    python examples/fastapi_app.py --url postgresql+asyncpg://host/database --port 8080

Open http://127.0.0.1:8000 and talk to the agent, which follows a script and needs no
key. The interface is described at http://127.0.0.1:8000/docs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse

from asm_async import Event, Run, RunStatus, Session, SessionStatus
from asm_async.conventions import (
    message_received,
    message_sent,
    run_cancelled,
    run_completed,
    run_started,
    tool_call_completed,
    tool_call_started,
)
from asm_async.integrations.fastapi import (
    StoreDep,
    add_problem_handlers,
    lifespan,
    router,
)
from asm_async.ports.session_store import SessionStore

PAGE = Path(__file__).with_suffix(".html")
URL_VARIABLE = "ASM_DATABASE_URL"
DEFAULT_URL = "sqlite+aiosqlite:///asm.sqlite3"

TOOL = "look_up"
FACTS = {
    "weather": "It is 21 degrees and sunny.",
    "train": "The next train leaves at 10:42 from platform 3.",
}
LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost"}


async def authorize(request: Request) -> None:
    """
    DEMO ONLY: allow everything to every request from this machine.

    Your own application identifies the client here (by a session cookie, by a token),
    raises ``HTTPException(401)`` if it cannot, and returns the tenant's id.
    Returning None, as here, means that every tenant's sessions can be seen.
    """
    is_local = request.client is not None and request.client.host in LOCAL_HOSTS
    # A page of another site may have a name of its own resolve to this machine.
    if not is_local or request.url.hostname not in LOCAL_HOSTS:
        raise HTTPException(HTTPStatus.FORBIDDEN, "this demo serves its own machine")


@asynccontextmanager
async def app_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """
    Keep the ports open and the agents at work for as long as the server runs.
    """
    url = os.environ.get(URL_VARIABLE, DEFAULT_URL)
    async with lifespan(url, migrate=True)(app):
        agents: set[asyncio.Task[None]] = set()
        app.state.agents = agents
        yield
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)


app = FastAPI(title="asm_async: an example", lifespan=app_lifespan)
app.include_router(router(authorize=authorize), prefix="/asm")
add_problem_handlers(app)


@app.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """
    Return the page.
    """
    return FileResponse(PAGE)


@app.post("/chat", status_code=HTTPStatus.ACCEPTED, dependencies=[Depends(authorize)])
async def chat(
    request: Request,
    store: StoreDep,
    message: Annotated[str, Body(min_length=1, max_length=2_000)],
    session_id: Annotated[str | None, Body(max_length=255)] = None,
) -> dict[str, str]:
    """
    Have the agent answer a message, in a new session unless one is named.

    The answer is not waited for: it is seen in the session's stream.
    """
    if session_id is None:
        opened = Session.new(agent_id="scripted", metadata={"title": message[:60]})
    else:
        opened = await store.get_session(session_id)
    session = await store.save_session(opened.update_status(SessionStatus.ACTIVE))
    run = Run.new(
        session_id=session.id,
        input=message,
        provider="script",
        provider_metadata={"model": "scripted-1"},
    )
    run = await store.save_run(run.update_status(RunStatus.RUNNING))
    agents: set[asyncio.Task[None]] = request.app.state.agents
    agent = asyncio.create_task(answer(store, run, message))
    agents.add(agent)
    agent.add_done_callback(agents.discard)
    return {"session_id": session.id, "run_id": run.id}


async def answer(store: SessionStore, run: Run, message: str) -> None:
    """
    Play the agent: think, use a tool if there is one for it, and answer.
    """
    try:
        await say(store, run, run_started, model="scripted-1")
        await say(store, run, message_sent, content=message)
        topics = [topic for topic in FACTS if topic in message.lower()]
        for number, topic in enumerate(topics, start=1):
            call = {"tool_call_id": f"call_{number}", "tool_name": TOOL}
            await asyncio.sleep(0.3)
            given = {"topic": topic}
            await say(store, run, tool_call_started, **call, tool_input=given)
            await asyncio.sleep(0.5)
            fact = FACTS[topic]
            await say(store, run, tool_call_completed, **call, tool_output=fact)
        await asyncio.sleep(0.3)
        facts = [FACTS[topic] for topic in topics]
        text = " ".join(facts or [f"You said: {message}"])
        await say(store, run, message_received, content=text)
        words = {
            "input_tokens": len(message.split()),
            "output_tokens": len(text.split()),
        }
        await store.save_run(run.update_token_usage(words).complete(text))
        await say(store, run, run_completed, output=text)
    except asyncio.CancelledError:
        # The server stops: what the run was doing is over, and the log says so.
        await store.save_run(run.update_status(RunStatus.CANCELLED))
        await say(store, run, run_cancelled, reason="The server was stopped.")
        raise


async def say(
    store: SessionStore, run: Run, build: Callable[..., Event], **members: Any
) -> None:
    """
    Append an event of the run, as a builder of the conventions makes it.
    """
    event = build(session_id=run.session_id, run_id=run.id, **members)
    await store.append_event(event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve an agent and its sessions.")
    parser.add_argument("--url", help=f"the database; {DEFAULT_URL} unless given")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if options.url:
        os.environ[URL_VARIABLE] = options.url
    # Streams end by themselves when the server stops; the bound is for what hangs.
    uvicorn.run(app, port=options.port, timeout_graceful_shutdown=5)
