"""
The ports of an application, where it keeps them, and how its routes get them.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, TypeAlias

import attrs
from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from asm_async.fronts.log_records import LogThrottle
from asm_async.integrations.fastapi.open_streams import OpenStreams, Pace
from asm_async.integrations.fastapi.readiness import Readiness
from asm_async.integrations.fastapi.text_passing import passing, takes_text
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.together import Ports

# How long requests that were cancelled when the server stopped may take to save their
# end. Process managers kill after 10 seconds (Docker) or 30 (Kubernetes).
_GRACE_SECONDS = 5.0


@attrs.frozen(kw_only=True, eq=False)
class AppState:
    """
    What an application keeps while its lifespan lasts.
    """

    ports: Ports
    passing_ports: Ports = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: passing(self.ports), takes_self=True),
    )
    """
    The same, for routes that only pass on what they read.
    """

    passes_text: bool = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: takes_text(self.ports), takes_self=True),
    )
    """
    Whether what these are given may have its JSON as the text that is stored.
    """
    streams: OpenStreams = attrs.field(factory=OpenStreams)
    pace: Pace = attrs.field(factory=Pace)
    log_throttle: LogThrottle = attrs.field(factory=LogThrottle)
    readiness: Readiness = attrs.field(
        init=False,
        default=attrs.Factory(
            lambda self: Readiness(self.ports.store), takes_self=True
        ),
    )
    _requests: set[asyncio.Task[Any]] = attrs.field(
        init=False, factory=set[asyncio.Task[Any]]
    )

    def note_request(self) -> None:
        """
        Take note of the task that answers the present request, which uses the ports.
        """
        task = asyncio.current_task()
        if task is not None and task not in self._requests:
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def wait_for_requests(self) -> None:
        """
        Wait, for 5 seconds at most, until no request uses the ports any more.

        A server that has waited long enough for its requests cancels them and ends the
        lifespan in the same step: what they save when they are cancelled is still to
        come then.
        """
        # A client within this process may have sent requests in this very task.
        left = self._requests - {asyncio.current_task()}
        if left:
            await asyncio.wait(left, timeout=_GRACE_SECONDS)


def app_state_of(app: FastAPI) -> AppState:
    """
    Return what an application keeps, unless its lifespan did not open the ports.
    """
    found = getattr(app.state, "asm_async", None)
    if not isinstance(found, AppState):
        raise RuntimeError(  # noqa: TRY004 - it is missing, not of a wrong type
            "the application has no ports: give it"
            " lifespan=asm_async.integrations.fastapi.lifespan(url), or enter that in a"
            " lifespan of its own"
        )
    return found


def ports_of(app: FastAPI) -> Ports:
    """
    Return the ports of an application, for its code outside of requests.

    Such as a job that runs at night, or another framework's handler, while the
    application's lifespan lasts.

    Raises:
        RuntimeError: If its lifespan has not opened them, or has closed them.
    """
    return app_state_of(app).ports


def _port(name: str) -> Any:
    async def port(connection: HTTPConnection) -> object:
        state = app_state_of(connection.app)
        state.note_request()
        return getattr(state.ports, name)

    return Depends(port)


# They show all tenants' sessions: to narrow them is up to the application's routes.
StoreDep: TypeAlias = Annotated[SessionStore, _port("store")]
"""
The session store of the application, for a route's parameter.
"""

StateDep: TypeAlias = Annotated[StateStore, _port("state")]
"""
The state store.
"""

QueryDep: TypeAlias = Annotated[QueryAPI, _port("query")]
"""
The query API.
"""

MaintenanceDep: TypeAlias = Annotated[Maintenance, _port("maintenance")]
"""
The maintenance.
"""

FeedDep: TypeAlias = Annotated[EventFeed, _port("feed")]
"""
The event feed.
"""

ArtifactsDep: TypeAlias = Annotated[ArtifactRegistry, _port("artifacts")]
"""
The artifact registry.
"""
