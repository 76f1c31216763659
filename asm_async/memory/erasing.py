"""
How the database in memory finds, closes and removes the sessions that are erased.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime

import attrs

from asm_async.fronts.erasing import NOBODY, ErasureFilter, Member, parts_of
from asm_async.fronts.maintenance import Batch, Batches
from asm_async.memory.database import InMemoryDatabase
from asm_async.values.maintenance import ErasureReport
from asm_async.values.session import Session


@attrs.frozen
class InMemoryErasure:
    """
    What the database in memory does of an erasure; no removal breaks off there.
    """

    database: InMemoryDatabase
    now: datetime

    async def finish_removals(self) -> Batches:
        """
        Finish the removals that were broken off: here there are none.
        """
        for batch in list[Batch]():
            yield batch

    async def find(self, wanted: ErasureFilter) -> AsyncGenerator[Sequence[Member]]:
        """
        Yield the sessions that are to be erased now.
        """
        members = map(_member, self.database.sessions.values())
        found = [member for member in members if wanted.is_met_by(member)]
        for part in parts_of(found):
            yield part

    async def children_of(
        self, parent_ids: Sequence[str]
    ) -> Sequence[tuple[str, Member]]:
        """
        Find the children of some sessions.
        """
        parents = frozenset(parent_ids)
        return [
            (parent_id, _member(session))
            for session in self.database.sessions.values()
            if (parent_id := session.parent_session_id) in parents
        ]

    async def close(self, members: Sequence[Member]) -> Sequence[str]:
        """
        Keep writers out of some sessions, for good.
        """
        database = self.database
        unchanged = [
            member.id
            for member in members
            if member.id in database.sessions
            and _member(database.sessions[member.id]) == member
        ]
        for session_id in unchanged:
            database.soft_delete(session_id, self.now)
            database.closed.add(session_id)
        return unchanged

    async def contents_of(
        self, session_ids: Sequence[str]
    ) -> AsyncGenerator[Sequence[tuple[str, bool]]]:
        """
        Yield the checksums that closed sessions name, and whether others do.
        """
        ids = frozenset(session_ids)
        names: dict[bool, set[str]] = {True: set(), False: set()}
        for artifact in self.database.artifacts.values():
            names[artifact.session_id in ids].add(artifact.checksum_sha256)
        if names[True]:
            yield [
                (checksum, checksum in names[False]) for checksum in sorted(names[True])
            ]

    async def remove(self, session_ids: Sequence[str]) -> AsyncGenerator[ErasureReport]:
        """
        Remove closed sessions, and count what they had.
        """
        for session_id in session_ids:
            if session_id in self.database.closed:
                yield self._remove(session_id)

    def _remove(self, session_id: str) -> ErasureReport:
        database = self.database
        database.gates[session_id].tenant_id = NOBODY
        artifacts = database.artifacts.values()
        items = database.items.of_sessions()
        report = ErasureReport(
            session_count=1,
            run_count=len(database.runs_of(session_id)),
            event_count=len(database.events[session_id]),
            item_count=sum(item.session_id == session_id for item in items),
            artifact_count=sum(one.session_id == session_id for one in artifacts),
        )
        database.delete_session(session_id)
        return report


def _member(session: Session) -> Member:
    return Member(session.id, session.tenant_id, session.user_id)
