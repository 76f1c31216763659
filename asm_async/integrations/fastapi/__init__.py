"""
Serving the ports over HTTP with FastAPI (the extra ``fastapi``).

:func:`~asm_async.integrations.fastapi.lifespan.lifespan` opens the ports for as long as
an application runs; ``StoreDep`` and its like hand them to the application's own
routes; :func:`~asm_async.integrations.fastapi.router.router` makes routes for all of
them, for those whom the application authorizes;
:func:`~asm_async.integrations.fastapi.probes.health_router` makes the probes, for all.
"""

from importlib.util import find_spec

from asm_async.errors import MissingDependencyError

if find_spec("fastapi") is None:
    raise MissingDependencyError("fastapi", "fastapi")

from asm_async.integrations.fastapi.access import ALL_TENANTS, Access, Limits
from asm_async.integrations.fastapi.lifespan import (
    engine_lifespan,
    lifespan,
    ports_lifespan,
)
from asm_async.integrations.fastapi.ports import (
    ArtifactsDep,
    FeedDep,
    MaintenanceDep,
    QueryDep,
    StateDep,
    StoreDep,
    ports_of,
)
from asm_async.integrations.fastapi.probes import health_router
from asm_async.integrations.fastapi.problems import add_problem_handlers
from asm_async.integrations.fastapi.router import router
from asm_async.integrations.fastapi.streams import end_streams

__all__ = [
    "ALL_TENANTS",
    "Access",
    "ArtifactsDep",
    "FeedDep",
    "Limits",
    "MaintenanceDep",
    "QueryDep",
    "StateDep",
    "StoreDep",
    "add_problem_handlers",
    "end_streams",
    "engine_lifespan",
    "health_router",
    "lifespan",
    "ports_lifespan",
    "ports_of",
    "router",
]
