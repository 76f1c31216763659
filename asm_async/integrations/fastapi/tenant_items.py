"""
State items as one tenant sees them: those that go with its sessions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

import attrs

from asm_async.errors import ConflictError, NotFoundError, RevisionConflictError
from asm_async.fronts.paging import Order, Search, check_paging, ordered_by
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.fields import Text
from asm_async.values.page import Page
from asm_async.values.session import Session
from asm_async.values.state_item import (
    OWN_SCOPES,
    KeyPrefix,
    StateItem,
    check_users_scope,
    item_key,
    item_shown,
)


@attrs.frozen(kw_only=True)
class _ItemSearch(Search):
    """
    Which items of a session to list.
    """

    session_id: Text
    scope: Text | None = None
    prefix: KeyPrefix = ""

    # In JSON, of which cursors are made, a control character of a key takes six bytes.
    LONGEST_CURSOR: ClassVar[int] = 12_288
    RESOURCE: ClassVar[str] = "state items"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "name_asc": ordered_by(scope=str, key=item_key)
    }


class TenantItems:
    """
    What of the state items exists for a tenant; without one, all that go with sessions.
    """

    def __init__(self, ports: Ports, tenant_id: str | None) -> None:
        self._ports = ports
        self._tenant_id = tenant_id
        self.list_all: Callable[..., Awaitable[list[StateItem]]] = partial(
            ports.state.list_session_items, expected_tenant=tenant_id
        )
        self._get_session: Callable[..., Awaitable[Session]] = partial(
            ports.store.get_session, expected_tenant=tenant_id
        )

    async def page(
        self, session_id: str, *, limit: int, cursor: str | None, **filters: Any
    ) -> Page[StateItem]:
        """
        Return a page of the items that go with the session, without their contents.
        """
        search = _ItemSearch(session_id=session_id, **filters)
        paging = check_paging(search, order_by="name_asc", limit=limit, cursor=cursor)
        found = await self.list_all(
            session_id,
            **filters,
            after=paging.behind,
            limit=paging.needed,
            with_content=False,
        )
        if not found:
            await self._get_session(session_id)
        return paging.page(found)

    async def put(
        self, item: StateItem, *, expected_revision: int | None = None
    ) -> tuple[StateItem, bool]:
        """
        Save an item that goes with a session of the tenant's; return whether it is new.

        It takes the place of none that goes with another session, or with none: by its
        revision the commit knows the item that was looked at here.
        """
        name = item.scope, item.key
        while True:
            seen = await self._own_revision(item)
            expected = seen if expected_revision is None else expected_revision
            try:
                stored = await self._ports.store.commit(
                    Changes(items=(item,)),
                    expected_revisions={name: expected},
                    expected_tenant=self._tenant_id,
                )
            except RevisionConflictError:
                # Somebody else has just saved or removed it, so that they got on.
                if expected_revision is not None:
                    raise
            else:
                return stored.items[0], not expected

    async def _own_revision(self, item: StateItem) -> int:
        check_users_scope(item.scope, "scope")
        found = await self._ports.state.get_items(item.scope, [item.key])
        await self._get_session(item.session_id)
        there = found.get(item.key)
        if there is not None and there.session_id != item.session_id:
            raise ConflictError(
                f"{item_shown((item.scope, item.key))} does not belong to this session:"
                " use another scope, such as one that begins with the session's id"
            )
        return 0 if there is None else there.revision

    async def delete(
        self, session_id: str, scope: str, key: str, expected_revision: int | None
    ) -> None:
        """
        Remove an item that goes with the session.

        Raises:
            NotFoundError: If there is none.
        """
        while True:
            item = await self.get(session_id, scope, key)
            expected = item.revision if expected_revision is None else expected_revision
            try:
                await self._ports.state.delete_items(
                    scope, keys=[key], expected_revisions={key: expected}
                )
            except RevisionConflictError:
                if expected_revision is not None:
                    raise
            else:
                return

    async def get(self, session_id: str, scope: str, key: str) -> StateItem:
        """
        Return the item that goes with the session and has this scope and key.

        Raises:
            NotFoundError: If there is none.
        """
        item = (await self._ports.state.get_items(scope, [key])).get(key)
        # What was found is shown only if the session is the tenant's.
        await self._get_session(session_id)
        is_its = item is not None and item.session_id == session_id
        if item is None or not is_its or scope.startswith(OWN_SCOPES):
            raise NotFoundError(
                f"session {session_id!r} has no {item_shown((scope, key))}"
            )
        return item
