"""
``asm sessions``: which sessions there are.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.filters import ALL_SESSIONS, SessionFilters
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.pages import Limit, print_page
from asm_async.cli.screen import Column
from asm_async.cli.styles import status_of
from asm_async.cli.times import Time, shown_time
from asm_async.conventions.titles import title_in
from asm_async.errors import ValidationError
from asm_async.ports.query_api import SessionOrder
from asm_async.ports.together import Ports
from asm_async.values.page import Page
from asm_async.values.session import Session

_COLUMNS = (
    Column("id", style="cyan"),
    Column("status"),
    Column("last activity"),
    Column("title", is_whole=False),
    Column("agent", is_whole=False),
    Column("user", is_whole=False),
    Column("tenant", is_whole=False),
    Column("tags", is_whole=False),
    Column("parent", is_whole=False),
    Column("deleted"),
)


def list_sessions(
    *,
    since: Time | None = None,
    order: SessionOrder = "last_activity_desc",
    limit: Limit = 50,
    cursor: str | None = None,
    count: Annotated[bool, Parameter(show_default=False)] = False,
    filters: SessionFilters = ALL_SESSIONS,
    options: Options = DEFAULTS,
) -> None:
    """
    List sessions, those of the latest activity first.

    Times are in UTC. With --json it prints an object with the members "items", the
    sessions as they are exported, "cursor", null on the last page, and "total_count",
    null without --count.

    Args:
        since: Only sessions active at this time or later; in the default order.

        order: By which time.

        limit: How many to list at most.

        cursor: Where to go on: what the page before has ended with.

        count: Also count how many there are.
    """
    if since is not None and order != "last_activity_desc":
        raise ValidationError("--since: it needs --order last_activity_desc")

    async def work(ports: Ports) -> None:
        page = await ports.query.search_sessions(
            order_by=order,
            limit=limit,
            cursor=cursor,
            count_total=count,
            with_context=options.as_json,
            **filters.arguments(),
        )
        if since is not None:
            page = _active_since(page, since)
        print_page(options, page, _COLUMNS, _row)

    on_ports(options, work)


def _active_since(page: Page[Session], since: Time) -> Page[Session]:
    active = tuple(
        session
        for session in page
        if (session.last_activity_at or session.created_at) >= since
    )
    is_last = len(active) < len(page)
    return Page(
        items=active,
        cursor=None if is_last else page.cursor,
        total_count=page.total_count,
    )


def _row(session: Session) -> list[str]:
    return [
        session.id,
        status_of(session),
        shown_time(session.last_activity_at),
        title_in(session.metadata),
        session.agent_id,
        session.user_id or "",
        session.tenant_id or "",
        ", ".join(session.tags),
        session.parent_session_id or "",
        shown_time(session.deleted_at),
    ]
