"""
An agent behind HTTP, whose sessions stream to the browser.

    python examples/fastapi_app.py
    python examples/fastapi_app.py --url postgresql+asyncpg://host/database --port 8080

Open http://127.0.0.1:8000 and talk to the agent, which follows a script and needs no
key. The console at /console/ shows all sessions, their runs, tokens and cost; the
interface is described at /docs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse

from asm_async import Session, SessionStatus
from asm_async.console import mount
from asm_async.integrations.fastapi import (
    ALL_TENANTS,
    Access,
    StoreDep,
    add_problem_handlers,
    health_router,
    lifespan,
    ports_of,
    router,
)
from asm_async.ports.session_store import SessionStore
from asm_async.recording import record_run, recover_interrupted_runs

PAGE = Path(__file__).with_suffix(".html")
URL_VARIABLE = "ASM_DATABASE_URL"
DEFAULT_URL = "sqlite+aiosqlite:///asm.sqlite3"

# After so many seconds the next server ends the runs of a killed one.
LEASE_SECONDS = 5

TOOL = "look_up"
FACTS = {
    "weather": "It is 21 degrees and sunny.",
    "train": "The next train leaves at 10:42 from platform 3.",
}
LOCAL_HOSTS = {"127.0.0.1", "::1", "localhost"}


async def authorize(request: Request) -> Access:
    """
    DEMO ONLY: allow everything to every request from this machine.

    Your own application identifies the client here (by a session cookie, by a token),
    raises ``HTTPException(401)`` if it cannot, and returns the tenant's id.
    Returning ALL_TENANTS, as here, shows the sessions of every tenant.
    """
    is_local = request.client is not None and request.client.host in LOCAL_HOSTS
    # A page of another site may have a name of its own resolve to this machine.
    if not is_local or request.url.hostname not in LOCAL_HOSTS:
        raise HTTPException(HTTPStatus.FORBIDDEN, "this demo serves its own machine")
    return ALL_TENANTS


@asynccontextmanager
async def app_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """
    Keep the ports open, and the agents at work, for as long as the server runs.

    What an earlier server was killed at is ended first.
    """
    url = os.environ.get(URL_VARIABLE, DEFAULT_URL)
    async with lifespan(url, migrate=True)(app):
        agents: set[asyncio.Task[Any]] = set()
        app.state.agents = agents
        start(agents, recover_interrupted_runs(ports_of(app)))
        yield
        for agent in agents:
            agent.cancel()
        await asyncio.gather(*agents, return_exceptions=True)


app = FastAPI(title="asm_async: an example", lifespan=app_lifespan)
app.include_router(router(authorize=authorize), prefix="/asm")
app.include_router(health_router())
mount(app, authorize=authorize)
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
        chat = Session.new(agent_id="scripted", metadata={"title": message[:60]})
        chat = await store.save_session(chat.update_status(SessionStatus.ACTIVE))
        session_id = chat.id
    else:
        await store.get_session(session_id)
    start(request.app.state.agents, answer(store, session_id, message))
    return {"session_id": session_id}


def start(agents: set[asyncio.Task[Any]], work: Coroutine[Any, Any, Any]) -> None:
    """
    Begin something that goes on beside the requests.
    """
    task = asyncio.create_task(work)
    agents.add(task)
    task.add_done_callback(agents.discard)


async def answer(store: SessionStore, session_id: str, message: str) -> None:
    """
    Play the agent: think, use a tool if there is one for it, and answer.

    However this ends, also by the server's stop, the run ends with its event.
    """
    async with record_run(
        store,
        session_id,
        input=message,
        provider="script",
        model="scripted-1",
        lease=LEASE_SECONDS,
    ) as run:
        await run.message_sent(message)
        topics = [topic for topic in FACTS if topic in message.lower()]
        for number, topic in enumerate(topics, start=1):
            call = (f"call_{number}", TOOL)
            await asyncio.sleep(0.3)
            await run.tool_call_started(*call, {"topic": topic})
            await asyncio.sleep(0.5)
            await run.tool_call_completed(*call, FACTS[topic])
        await asyncio.sleep(0.3)
        facts = [FACTS[topic] for topic in topics]
        text = " ".join(facts or [f"You said: {message}"])
        run.add_usage(
            {
                "input_tokens": len(message.split()),
                "output_tokens": len(text.split()),
            }
        )
        run.set_output(text)
        await run.message_received(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve an agent and its sessions.")
    parser.add_argument("--url", help=f"the database; {DEFAULT_URL} unless given")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if options.url:
        os.environ[URL_VARIABLE] = options.url
    # Streams end by themselves when the server stops; the bound is for what hangs.
    uvicorn.run(app, port=options.port, timeout_graceful_shutdown=5)
