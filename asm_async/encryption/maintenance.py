"""
A maintenance that drops the keys of what it erases before it removes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asm_async.coded import CodedMaintenance
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.owners import KeyOwner
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.maintenance import BeforeRemoval, Maintenance
from asm_async.values import fields
from asm_async.values.maintenance import ErasureReport


class EncryptingMaintenance(CodedMaintenance):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` in front of another one.

    An erasure closes some sessions, drops their keys, and then removes them: of what it
    has begun to remove nothing can be read any more, here and in every copy of the
    database, wherever it breaks off. The key of a user goes with her first session.

    Args:
        maintenance: What does the work.

        coder: What encrypts in the other ports.

    Raises:
        ValidationError: If *maintenance* or *coder* is something else.
    """

    def __init__(self, maintenance: Maintenance, coder: EncryptingCoder) -> None:
        super().__init__(maintenance, coder)
        self._keys = coder.keys

    @takes_arguments_of(Maintenance.erase)
    async def erase(
        self,
        *,
        tenant_id: str | None,
        user_id: str | None,
        session_ids: Any,
        before_removal: BeforeRemoval | None,
        **options: Any,
    ) -> ErasureReport:
        """
        Hard-delete sessions, as soon as their keys are dropped.
        """
        if before_removal is not None and not callable(before_removal):
            raise fields.unexpected("before_removal", "a callable", before_removal)
        is_every = session_ids is None
        are_users_done = False

        async def drop_users() -> None:
            nonlocal are_users_done
            if is_every and not are_users_done:
                await self._drop_users(tenant_id, user_id)
            are_users_done = True

        async def drop_keys(ids: Sequence[str]) -> None:
            if before_removal is not None:
                await before_removal(ids)
            await drop_users()
            for session_id in ids:
                await self._keys.drop(KeyOwner.session(session_id))

        report = await super().erase(
            tenant_id=tenant_id,
            user_id=user_id,
            session_ids=session_ids,
            before_removal=drop_keys,
            **options,
        )
        if report.is_complete:
            # Where all sessions were gone before, such as by retention.
            await drop_users()
        return report

    async def _drop_users(self, tenant_id: str | None, user_id: str | None) -> None:
        for owner in await self._keys.owners(tenant_id=tenant_id, user_id=user_id):
            if owner.kind == "user":
                await self._keys.drop(owner)
