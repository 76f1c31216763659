"""
A chat service: conversations with an agent that outlive crashes, for several tenants.

    uvicorn --app-dir examples chat_service:app

Chats are listed, renamed, forked, followed and erased; what a crash has interrupted is
ended, and the chat goes on. The model is a stand-in, so that no key is needed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any, NamedTuple

from fastapi import Body, Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from stand_in_model import complete

from asm_async import Ports, RetentionPolicy, Session, SessionStatus, errors
from asm_async.integrations import fastapi as asm
from asm_async.recording import record_run, recover_interrupted_runs
from asm_async.transcripts import (
    events_from_openai,
    read_transcript,
    update_transcript,
)

URL = os.environ.get("ASM_DATABASE_URL", "sqlite+aiosqlite:///chats.sqlite3")
# After a crash, a chat may have to wait for as many seconds.
LEASE = float(os.environ.get("CHAT_LEASE_SECONDS", "10"))
AGENT: Any = {"provider": "openai", "model": "demo", "exclusive": True, "lease": LEASE}
POLICY = RetentionPolicy.new(max_idle_days=180)


class User(NamedTuple):
    tenant: str
    name: str


TOKENS = {"ada's token": User("acme", "ada"), "bob's token": User("acme", "bob")}


# This gives /docs its button "Authorize".
BEARER = HTTPBearer(auto_error=False)
TokenDep = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


async def identify(token: TokenDep) -> User:
    """Return whose token came; a real service asks its identity provider."""
    if token and (user := TOKENS.get(token.credentials)):
        return user
    raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})


UserDep = Annotated[User, Depends(identify)]


async def tenant_of(user: UserDep) -> str:
    return user.tenant


async def own_chat(chat_id: str, user: UserDep, store: asm.StoreDep) -> Session:
    chat = await store.get_session(chat_id, expected_tenant=user.tenant)
    if chat.user_id != user.name:
        raise errors.SessionNotFoundError(chat_id)
    return chat


ChatDep = Annotated[Session, Depends(own_chat)]


async def keep_tidy(ports: Ports) -> None:
    """End what crashes have interrupted, and delete what is idle, again and again."""
    while True:
        try:
            await recover_interrupted_runs(ports)
            await ports.maintenance.execute(POLICY)
        except errors.ASMError:
            logging.getLogger(__name__).exception("tidying up failed; tried again soon")
        await asyncio.sleep(60)


@asynccontextmanager
async def app_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    async with asm.lifespan(URL, migrate=True)(app), asyncio.TaskGroup() as jobs:
        job = jobs.create_task(keep_tidy(asm.ports_of(app)))
        yield
        job.cancel()


app = FastAPI(title="A chat service", lifespan=app_lifespan)
# Such as /asm/sessions/{id}/events/stream (events as they come) and /asm/usage.
app.include_router(asm.router(authorize=tenant_of), prefix="/asm")
app.include_router(asm.health_router())
asm.add_problem_handlers(app)


def new_chat(user: User) -> Session:
    chat = Session.new(agent_id="helper", tenant_id=user.tenant, user_id=user.name)
    return chat.update_status(SessionStatus.ACTIVE)


@app.post("/chats", status_code=201)
async def begin(user: UserDep, store: asm.StoreDep) -> Session:
    return await store.save_session(new_chat(user))


@app.get("/chats")
async def list_chats(user: UserDep, query: asm.QueryDep) -> list[Session]:
    chats = await query.search_sessions(
        tenant_id=user.tenant, user_id=user.name, order_by="last_activity_desc"
    )
    return list(chats)


@app.patch("/chats/{chat_id}")
async def rename(
    chat: ChatDep, store: asm.StoreDep, title: Annotated[str, Body()]
) -> Session:
    return await store.update_session(
        chat.id, lambda chat: chat.with_metadata(title=title)
    )


@app.post("/chats/{chat_id}/forks", status_code=201)
async def fork(
    chat: ChatDep, user: UserDep, store: asm.StoreDep, through: int
) -> Session:
    return await store.copy_session(chat.id, new_chat(user), through=through)


@app.delete("/me")
async def erase(user: UserDep, maintenance: asm.MaintenanceDep) -> int:
    report = await maintenance.erase(tenant_id=user.tenant, user_id=user.name)
    return report.session_count


@app.post("/chats/{chat_id}/messages")
async def say(chat: ChatDep, store: asm.StoreDep, text: Annotated[str, Body()]) -> str:
    async with record_run(store, chat, input=text, **AGENT) as run:
        await run.message_sent(text)
        transcript = await read_transcript(store, chat.id)
        while True:
            reply = await complete(transcript.last(max_messages=200).to_openai())
            run.add_usage(reply["usage"])
            message = reply["choices"][0]["message"]
            await run.append(*events_from_openai([message], session_id=chat.id))
            if not message.get("tool_calls"):
                run.set_output(message["content"])
                return str(message["content"])
            for call in message["tool_calls"]:
                word = json.loads(call["function"]["arguments"])["word"]
                await run.tool_call_completed(call["id"], "count", len(word))
            transcript = await update_transcript(store, transcript)
