"""
The ports as dependencies of an application's own routes.

They show all tenants' sessions: to narrow them is up to the route.
"""

from typing import Annotated, Any, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from asm_async.integrations.fastapi.ports import app_state
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore

__all__ = ["FeedDep", "MaintenanceDep", "QueryDep", "StoreDep"]


def _port(name: str) -> Any:
    async def port(connection: HTTPConnection) -> object:
        return getattr(app_state(connection).ports, name)

    return Depends(port)


StoreDep: TypeAlias = Annotated[SessionStore, _port("store")]
QueryDep: TypeAlias = Annotated[QueryAPI, _port("query")]
MaintenanceDep: TypeAlias = Annotated[Maintenance, _port("maintenance")]
FeedDep: TypeAlias = Annotated[EventFeed, _port("feed")]
