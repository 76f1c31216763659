"""
The ports as dependencies of an application's own routes.

They show all tenants' sessions: to narrow them is up to the route.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from fastapi import Depends
from starlette.requests import HTTPConnection

from asm_async.integrations.fastapi.ports import app_state
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore

__all__ = ["FeedDep", "MaintenanceDep", "QueryDep", "StoreDep"]


async def _store(connection: HTTPConnection) -> SessionStore:
    return app_state(connection).ports.store


async def _query(connection: HTTPConnection) -> QueryAPI:
    return app_state(connection).ports.query


async def _maintenance(connection: HTTPConnection) -> Maintenance:
    return app_state(connection).ports.maintenance


async def _feed(connection: HTTPConnection) -> EventFeed:
    return app_state(connection).ports.feed


StoreDep: TypeAlias = Annotated[SessionStore, Depends(_store)]
QueryDep: TypeAlias = Annotated[QueryAPI, Depends(_query)]
MaintenanceDep: TypeAlias = Annotated[Maintenance, Depends(_maintenance)]
FeedDep: TypeAlias = Annotated[EventFeed, Depends(_feed)]
