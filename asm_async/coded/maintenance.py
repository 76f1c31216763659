"""
A maintenance that returns what callers see, and has the coder know what was removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from asm_async.coded.coder import Coder, Removal
from asm_async.coded.coding import Coding
from asm_async.coded.exports import decoded_export
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.maintenance import Maintenance
from asm_async.values import fields
from asm_async.values.maintenance import ErasureReport, HealthIssue, MaintenanceReport
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import Session
from asm_async.values.session_export import SessionExport


class CodedMaintenance(Maintenance):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` in front of another one.

    Archives are given what callers see. After an erasure the coder learns of it.

    Args:
        maintenance: The maintenance that does the work.

        coder: Encodes and decodes values.

    Raises:
        ValidationError: If *maintenance* or *coder* is something else.
    """

    def __init__(self, maintenance: Maintenance, coder: Coder) -> None:
        if not callable(getattr(maintenance, "health_check", None)):
            raise fields.unexpected("maintenance", "a Maintenance", maintenance)
        self.behind: Maintenance = maintenance
        """
        The maintenance that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))

    @takes_arguments_of(Maintenance.execute)
    async def execute(
        self, policy: RetentionPolicy, **options: Any
    ) -> MaintenanceReport:
        """
        Apply *policy*.
        """
        return await self.behind.execute(self._decoding(policy), **options)

    async def prune_session_events(
        self, session_id: str, policy: RetentionPolicy
    ) -> int:
        """
        Prune a session to *policy.max_events_per_session* events.
        """
        return await self.behind.prune_session_events(session_id, policy)

    async def soft_delete_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Mark a session deleted.
        """
        stored = await self.behind.soft_delete_session(
            session_id, expected_tenant=expected_tenant
        )
        return await self._shown(stored)

    async def restore_session(
        self, session_id: str, *, expected_tenant: str | None = None
    ) -> Session:
        """
        Undo a soft deletion.
        """
        stored = await self.behind.restore_session(
            session_id, expected_tenant=expected_tenant
        )
        return await self._shown(stored)

    async def soft_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Soft-delete the sessions that are too old.
        """
        return await self.behind.soft_delete_expired_sessions(policy)

    async def hard_delete_expired_sessions(self, policy: RetentionPolicy) -> int:
        """
        Hard-delete the sessions that have been soft-deleted for too long.
        """
        return await self.behind.hard_delete_expired_sessions(self._decoding(policy))

    async def clean_orphaned_artifacts(self) -> int:
        """
        Remove the artifacts whose session does not exist.
        """
        return await self.behind.clean_orphaned_artifacts()

    @takes_arguments_of(Maintenance.erase)
    async def erase(
        self,
        *,
        tenant_id: str | None,
        user_id: str | None,
        session_ids: Iterable[str] | None,
        **options: Any,
    ) -> ErasureReport:
        """
        Hard-delete all sessions of a tenant or a user, or some of them.
        """
        ids = (
            None
            if session_ids is None
            else fields.tuple_of(session_ids, "session_ids", fields.text)
        )
        report = await self.behind.erase(
            tenant_id=tenant_id, user_id=user_id, session_ids=ids, **options
        )
        if report.is_complete:
            await self._coding.coder.removed(
                Removal(session_ids=ids or (), tenant_id=tenant_id, user_id=user_id)
            )
        return report

    async def health_check(self) -> list[HealthIssue]:
        """
        Look for damage; nothing is changed.
        """
        return await self.behind.health_check()

    async def _shown(self, session: Session) -> Session:
        (shown,) = await self._coding.shown([session])
        return shown

    def _decoding(self, policy: RetentionPolicy) -> RetentionPolicy:
        """
        Return a policy whose archive is given what callers see.
        """
        archive = fields.instance(policy, "policy", RetentionPolicy).archive
        if archive is None:
            return policy

        async def decode_and_archive(export: SessionExport) -> None:
            await archive(await decoded_export(export, self._coding))

        return attrs.evolve(policy, archive=decode_and_archive)
