"""
A maintenance over several primaries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, nullcontext
from typing import Any

import attrs

from asm_async.errors import UnsupportedOperationError
from asm_async.fronts.erasing import ErasureBackend, ErasureFilter, Member
from asm_async.fronts.maintenance import Batches, MaintenanceFront
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.sharding.marks import unfinished_moves
from asm_async.sharding.router import Router
from asm_async.sharding.routing import Shards, on_shard
from asm_async.sql.maintenance import SQLMaintenance
from asm_async.values.maintenance import (
    ErasureReport,
    HealthIssue,
    HealthIssueKind,
    MaintenanceReport,
    MaintenanceStep,
)
from asm_async.values.retention import RetentionPolicy


class ShardedMaintenance(MaintenanceFront):
    """
    A :class:`~asm_async.ports.maintenance.Maintenance` over several primaries.

    What concerns many sessions is done on one primary after the other. Where it comes
    upon a copy of a session that is being moved, which takes no writes, it waits until
    that has arrived, for no longer than the timeout: ``StorageBusyError`` after that.
    A limit of the events of all sessions together is refused, since no primary knows
    the others'.

    Args:
        router: Knows where each shard is.

        maintenances: The primaries' maintenances, by name.

        registries: Their registries, which know whose contents may be removed.
    """

    def __init__(
        self,
        router: Router,
        maintenances: Mapping[str, SQLMaintenance],
        registries: Mapping[str, ArtifactRegistry],
    ) -> None:
        self._shards = Shards(router, maintenances)
        self._registries = registries

    async def health_check(self) -> list[HealthIssue]:
        lists = await self._shards.everywhere(lambda each: each.health_check())
        issues = [issue for issues in lists for issue in issues]
        for shard, message in await unfinished_moves(self._shards.router.primaries):
            kind = HealthIssueKind.UNFINISHED_MOVE
            issues.append(
                HealthIssue(kind=kind, subject=f"shard {shard}", message=message)
            )
        return sorted(issues, key=lambda issue: (issue.kind, issue.subject))

    def _call(self) -> nullcontext[None]:
        return nullcontext()

    @takes_arguments_of(MaintenanceFront.execute)
    async def execute(
        self, policy: RetentionPolicy, **options: Any
    ) -> MaintenanceReport:
        if getattr(policy, "max_total_events", None) is not None:
            raise UnsupportedOperationError(
                "policy.max_total_events: it is for all sessions together, which are on"
                " several primaries; set max_events_per_session, or execute the policy"
                " on each primary by itself"
            )
        return await super().execute(policy, **options)

    async def _batches(self, step: MaintenanceStep, policy: RetentionPolicy) -> Batches:
        batches = self._shards.each(lambda each: each._batches(step, policy))
        async with aclosing(batches):
            async for batch in batches:
                yield batch

    def _erasure(self) -> ErasureBackend:
        erasures = {name: each._erasure() for name, each in self._shards.ports.items()}
        return _Erasure(Shards(self._shards.router, erasures), self._registries)

    _prune_session_events = on_shard(
        SQLMaintenance._prune_session_events, is_final=bool
    )
    _soft_delete_session = on_shard(SQLMaintenance._soft_delete_session)
    _restore_session = on_shard(SQLMaintenance._restore_session)


@attrs.frozen
class _Erasure(ErasureBackend):
    """
    An erasure whose sessions are on several primaries.
    """

    _shards: Shards[ErasureBackend]
    _registries: Mapping[str, ArtifactRegistry]

    def finish_removals(self) -> AsyncGenerator[object]:
        return self._shards.each(lambda each: each.finish_removals())

    async def find(self, wanted: ErasureFilter) -> AsyncGenerator[Sequence[Member]]:
        is_found = False
        # What moves meanwhile may be missed once: it is at its new place before it has
        # left the old one, which may have been asked after that.
        for _ in range(2):
            async with aclosing(
                self._shards.each(lambda each: each.find(wanted))
            ) as pages:
                async for page in pages:
                    is_found = True
                    yield page
            if is_found:
                return

    async def children_of(
        self, parent_ids: Sequence[str]
    ) -> Sequence[tuple[str, Member]]:
        found = await self._shards.everywhere(lambda each: each.children_of(parent_ids))
        return [child for children in found for child in children]

    async def close(self, members: Sequence[Member]) -> Sequence[str]:
        closed = await self._shards.everywhere(lambda each: each.close(members))
        return [session_id for ids in closed for session_id in ids]

    async def contents_of(
        self, session_ids: Sequence[str]
    ) -> AsyncGenerator[Sequence[tuple[str, bool]]]:
        for name, erasure in self._shards.ports.items():
            async with aclosing(erasure.contents_of(session_ids)) as pages:
                async for page in pages:
                    checksums = frozenset(checksum for checksum, _ in page)
                    elsewhere = set[str]()
                    for other, registry in self._registries.items():
                        if other != name:
                            elsewhere |= await registry.named_checksums(checksums)
                    yield [
                        (checksum, is_shared or checksum in elsewhere)
                        for checksum, is_shared in page
                    ]

    def remove(self, session_ids: Sequence[str]) -> AsyncGenerator[ErasureReport]:
        return self._shards.each(lambda each: each.remove(session_ids))
