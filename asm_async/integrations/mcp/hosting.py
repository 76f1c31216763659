"""
How MCP servers give each of their sessions an event store, and how old ones go.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette

from asm_async.errors import ValidationError
from asm_async.integrations.mcp.event_store import AGENT_ID
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.page import Page
from asm_async.values.session import Session

_PAGE_SIZE = 1_000


def streamable_http_app(
    server: MCPServer | Server[Any],
    make_store: Callable[[], EventStore],
    **options: Any,
) -> Starlette:
    """
    Return a server's application, in which each MCP session has an event store.

    It is what the server's own ``streamable_http_app`` returns. That would take one
    store for all sessions, so that clients could be sent each other's messages.

    Args:
        server: Which server; as with its own method, once.

        make_store:
            Called for each new session, such as ``lambda: AsmEventStore(ports)``.

        options: For the server's own method, but for *event_store*.

    Raises:
        ValidationError: If there is an *event_store*, or *make_store* is no function.
    """
    if "event_store" in options:
        raise ValidationError(
            "event_store: leave it out, since all sessions would share it; make_store"
            " makes one for each"
        )
    fields.function(make_store, "make_store")
    app = server.streamable_http_app(**options)
    scope_event_stores(server.session_manager, make_store)
    return app


def scope_event_stores(
    manager: StreamableHTTPSessionManager, make_store: Callable[[], EventStore]
) -> None:
    """
    Have a session manager give each new session an event store of its own.

    For hosts that make the manager themselves; before it has served anything.

    Args:
        manager: Which.

        make_store: As for :func:`streamable_http_app`.

    Raises:
        ValidationError: If *manager* is none, or has an event store, which sessions
            would share.
    """
    fields.instance(manager, "manager", StreamableHTTPSessionManager)
    made = fields.function(make_store, "make_store")
    if manager.event_store is not None:
        raise ValidationError(
            "manager: it already has an event store, which all sessions would share"
        )
    # The manager reads this attribute once for each session that it opens, and has no
    # other place at which to say which store is a session's.
    kind = type(manager)
    scoped = {"event_store": property(lambda _: made())}
    manager.__class__ = type(f"Scoped{kind.__name__}", (kind,), scoped)


async def hard_delete_idle_stores(ports: Ports, *, idle_for: timedelta) -> int:
    """
    Remove the events of MCP sessions that have ended, permanently.

    A client that comes back later than that has nothing replayed.

    Args:
        ports: Over which database.

        idle_for: How long nothing was stored of a session; far longer than a client may
            take to connect again, and than a session may be silent.

    Returns:
        How many sessions were removed.

    Raises:
        ValidationError: If *idle_for* is no time, or negative.
    """
    if fields.instance(idle_for, "idle_for", timedelta) < timedelta(0):
        raise ValidationError(f"idle_for: expected 0 or more seconds, got {idle_for}")
    before = datetime.now(UTC) - idle_for
    search: Callable[..., Any] = partial(
        ports.query.search_sessions,
        agent_id=AGENT_ID,
        created_before=before,
        with_context=False,
        order_by="created_at_asc",
        limit=_PAGE_SIZE,
    )
    cursor, count = None, 0
    while True:
        page: Page[Session] = await search(cursor=cursor)
        for session in page:
            latest = session.last_activity_at or session.updated_at
            if latest < before:
                await ports.store.delete_session(session.id)
                count += 1
        cursor = page.cursor
        if cursor is None:
            return count
