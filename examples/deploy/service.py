"""
The sessions of agents over HTTP, as a service for several tenants.

    ASM_DATABASE_URL=... ASM_TENANTS=tenants.json uvicorn service:app

It needs a database that is migrated. ``tenants.json`` has the tenant for each token,
under the token's SHA-256, so that the file itself lets nobody in:

    {"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8": "acme"}
"""

from __future__ import annotations

import hashlib
import json
import os
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from asm_async.integrations.fastapi import (
    add_problem_handlers,
    health_router,
    lifespan,
    router,
)

TENANTS: dict[str, str] = json.loads(Path(os.environ["ASM_TENANTS"]).read_text("utf-8"))
bearer = HTTPBearer(auto_error=False)


async def authorize(
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> str:
    """
    Return the tenant whose token a request has.
    """
    token = given.credentials if given else ""
    # What is looked up is a digest, so that the time it takes tells nothing of a token.
    tenant = TENANTS.get(hashlib.sha256(token.encode()).hexdigest())
    if tenant is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Bearer"}
        )
    return tenant


pool_size = int(os.environ.get("ASM_POOL_SIZE", "5"))
app = FastAPI(
    title="Sessions of agents",
    lifespan=lifespan(
        os.environ["ASM_DATABASE_URL"], pool_size=pool_size, max_overflow=0
    ),
)
app.include_router(health_router())
app.include_router(router(authorize=authorize), prefix="/asm")
add_problem_handlers(app)
