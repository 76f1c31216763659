"""
The tree that a session stands in: what it comes from, its forks and child sessions.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from asm_async.console.access import Reader
from asm_async.console.answers import Node, Tree
from asm_async.console.cuts import optional_time, time_text
from asm_async.console.rows import title_of
from asm_async.console.runs import RunStates
from asm_async.errors import SessionNotFoundError
from asm_async.values.session import Session

MAX_NODES = 200
"""
How many sessions a tree shows.
"""

_MAX_ANCESTORS = 50
_MAX_CHILDREN = 50


async def tree_of(reader: Reader, session_id: str) -> Tree:
    """
    Return the tree from a session's topmost ancestor down.

    Ancestors that are not there, or are another tenant's, end it.

    Raises:
        SessionNotFoundError: If there is no session of this id, or it is not the
            tenant's.
    """
    selected = await reader.view.get_session(session_id)
    root = await _topmost(reader, selected)
    node = await _node(reader, root, "root", session_id)
    waiting, seen, is_cut = deque([node]), {root.id}, False
    while waiting:
        parent = waiting.popleft()
        page = await reader.view.search_sessions(
            parent_session_id=parent["id"],
            include_deleted=True,
            with_context=False,
            order_by="created_at_asc",
            limit=_MAX_CHILDREN,
            count_total=True,
        )
        # A session may name as its parent one that comes from itself.
        children = [child for child in page.items if child.id not in seen]
        shown = children[: MAX_NODES - len(seen)]
        parent["more_children"] = (page.total_count or 0) - len(page.items)
        parent["more_children"] += len(children) - len(shown)
        is_cut |= parent["more_children"] > 0
        for child in shown:
            seen.add(child.id)
            relation = await _relation(reader, child, parent["id"])
            made = await _node(reader, child, relation, session_id)
            parent["children"].append(made)
            waiting.append(made)
    return {"root": node, "is_cut": is_cut}


async def _topmost(reader: Reader, session: Session) -> Session:
    seen = {session.id}
    while (parent_id := session.parent_session_id) is not None:
        if parent_id in seen or len(seen) > _MAX_ANCESTORS:
            break
        seen.add(parent_id)
        try:
            session = await reader.view.get_session(parent_id)
        except SessionNotFoundError:
            break
    return session


async def _relation(
    reader: Reader, child: Session, parent_id: str
) -> Literal["fork", "child"]:
    """
    Return whether a session is a copy of its parent: then it begins with its events.
    """
    begins = [
        [
            event.id
            for event in await reader.ports.store.get_events(
                session_id, limit=1, expected_tenant=reader.tenant_id
            )
        ]
        for session_id in (child.id, parent_id)
    ]
    return "fork" if begins[0] and begins[0] == begins[1] else "child"


async def _node(
    reader: Reader,
    session: Session,
    relation: Literal["root", "fork", "child"],
    selected_id: str,
) -> Node:
    runs = (await reader.view.search_runs(session_id=session.id, limit=1)).items
    states = await RunStates.of(reader.ports.state, runs)
    title, _ = await title_of(reader, session)
    return {
        "id": session.id,
        "title": title,
        "status": session.status.value,
        "agent_id": session.agent_id,
        "created_at": time_text(session.created_at),
        "deleted_at": optional_time(session.deleted_at),
        "relation": relation,
        "is_selected": session.id == selected_id,
        "state": states.state(runs[0]) if runs else None,
        "children": [],
        "more_children": 0,
    }
