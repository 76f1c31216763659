"""
A maintenance that drops the keys of what it erases before it removes it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from asm_async.coded import CodedMaintenance
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.owners import KeyOwner
from asm_async.errors import SessionNotFoundError
from asm_async.fronts.erasing import ContentRemover, ErasureFilter, Member
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import MAX_PAGE_SIZE, QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.maintenance import ErasureReport
from asm_async.values.session import Session


class EncryptingMaintenance(CodedMaintenance):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` in front of another one.

    An erasure first drops the keys of all that it will remove: whenever it breaks off,
    nothing of that can be read any more, here and in every copy of the database. A
    session that is begun meanwhile loses its key by :func:`drop_unused_keys`.

    Args:
        maintenance: What does the work.

        coder: What encrypts in the other ports.

        store: The session store behind these.

        query: The query API behind these.

    Raises:
        ValidationError: If *maintenance* or *coder* is something else.
    """

    def __init__(
        self,
        maintenance: Maintenance,
        coder: EncryptingCoder,
        *,
        store: SessionStore,
        query: QueryAPI,
    ) -> None:
        super().__init__(maintenance, coder)
        self._keys = coder.keys
        self._store = store
        self._query = query

    @takes_arguments_of(Maintenance.erase)
    async def erase(
        self,
        *,
        tenant_id: str | None,
        user_id: str | None,
        session_ids: Iterable[str] | None,
        with_children: bool,
        artifact_store: ArtifactStore | None,
        grace_period: timedelta,
        progress: Callable[[ErasureReport], object] | None,
        should_stop: Callable[[], bool] | None,
    ) -> ErasureReport:
        """
        Drop the keys of some sessions, or all of a tenant or user; then remove them.
        """
        chosen: dict[str, Any] = {
            "tenant_id": tenant_id,
            "user_id": user_id,
            "session_ids": None if session_ids is None else tuple(session_ids),
        }
        wanted = ErasureFilter(**chosen, with_children=with_children)
        # A key cannot be dropped on trial: all that may be refused is looked at first.
        ContentRemover.of(artifact_store, grace_period)
        for callback, name in ((progress, "progress"), (should_stop, "should_stop")):
            if callback is not None:
                fields.function(callback, name)
        asked = _AskedBefore(should_stop)
        if not asked.first:
            await self._drop_keys(wanted)
        return await super().erase(
            **chosen,
            with_children=with_children,
            artifact_store=artifact_store,
            grace_period=grace_period,
            progress=progress,
            should_stop=None if should_stop is None else asked,
        )

    async def _drop_keys(self, wanted: ErasureFilter) -> None:
        if wanted.session_ids is None:
            # Those of sessions that were removed before, and of the user.
            for owner in await self._keys.owners(
                tenant_id=wanted.tenant_id, user_id=wanted.user_id
            ):
                if owner.kind == "user":
                    await self._keys.drop(owner)
        async with aclosing(self._sessions(wanted)) as sessions:
            async for session in sessions:
                await self._keys.drop(KeyOwner.session(session.id))

    async def _sessions(self, wanted: ErasureFilter) -> AsyncGenerator[Session]:
        """
        Yield the sessions that are to be erased, each before its children.
        """
        async with aclosing(self._first(wanted)) as found:
            async for session in found:
                if wanted.is_met_by(_member(session)):
                    yield session
                    if wanted.with_children:
                        async with aclosing(self._below(session, wanted)) as below:
                            async for child in below:
                                yield child

    async def _first(self, wanted: ErasureFilter) -> AsyncGenerator[Session]:
        if wanted.session_ids is None:
            async with aclosing(
                self._found(tenant_id=wanted.tenant_id, user_id=wanted.user_id)
            ) as found:
                async for session in found:
                    yield session
            return
        for session_id in wanted.session_ids:
            try:
                yield await self._store.get_session(session_id)
            except SessionNotFoundError:
                continue

    async def _below(
        self, first: Session, wanted: ErasureFilter
    ) -> AsyncGenerator[Session]:
        """
        Yield the children that an erasure takes along, theirs, and so on.
        """
        families = {first.id: _member(first)}
        left = [first.id]
        while left:
            family = families[left.pop()]
            async with aclosing(self._found(parent_session_id=family.id)) as children:
                async for child in children:
                    member = _member(child)
                    is_own = member.tenant_id == family.tenant_id and (
                        member.user_id in {None, family.user_id}
                    )
                    if child.id in families or not (is_own or wanted.is_met_by(member)):
                        continue
                    user_id = member.user_id or family.user_id
                    families[child.id] = member._replace(user_id=user_id)
                    left.append(child.id)
                    yield child

    async def _found(self, **filters: Any) -> AsyncGenerator[Session]:
        cursor: str | None = None
        while True:
            page = await self._query.search_sessions(
                **filters, include_deleted=True, limit=MAX_PAGE_SIZE, cursor=cursor
            )
            for session in page.items:
                yield session
            cursor = page.cursor
            if cursor is None:
                return


class _AskedBefore:
    """
    Answers whether to stop, as somebody else does, who was asked once already.
    """

    def __init__(self, should_stop: Callable[[], bool] | None) -> None:
        self._should_stop = should_stop
        self.first: bool = should_stop is not None and should_stop()
        self._is_told = False

    def __call__(self) -> bool:
        if not self._is_told or self._should_stop is None:
            self._is_told = True
            return self.first
        return self._should_stop()


def _member(session: Session) -> Member:
    return Member(session.id, session.tenant_id, session.user_id)
