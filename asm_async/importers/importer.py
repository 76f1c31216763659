"""
What an importer is, and what it is given.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import attrs

from asm_async.artifacts import ArtifactLibrary
from asm_async.importers.names import session_id_of
from asm_async.importers.records import Incoming
from asm_async.importers.tally import Tally
from asm_async.ports.session_reader import SessionReader
from asm_async.values.session import Session, SessionStatus

IMPORTED = "imported"
"""
The member of a session's metadata, and of a run's, that says where it is from.
"""


@attrs.frozen(kw_only=True, eq=False)
class ImportContext:
    """
    What one import was asked for, and whom it reports to.
    """

    kind: str
    """
    The kind of source, as in ``KINDS``.
    """

    path: str
    """
    What to read: a file, a folder, a database's URL; ``-`` is standard input.
    """

    tally: Tally
    """
    Where the importer reports what it does not understand.
    """

    store: SessionReader
    """
    What is stored already; an importer that needs to know reads it here.
    """

    follow: bool = False
    """
    Whether to go on reading when all is read, until it is cancelled.
    """

    poll_interval: float = 1.0
    """
    How often to look for changes then, in seconds.
    """

    max_line_bytes: int = 1 << 27
    """
    The longest record to accept.
    """

    tenant_id: str | None = None
    """
    The tenant of all sessions.
    """

    user_id: str | None = None
    """
    The user of all sessions.
    """

    agent_id: str | None = None
    """
    The agent of all sessions, instead of those that the importer has.
    """

    tags: tuple[str, ...] = ()
    """
    The tags of all sessions.
    """

    artifacts: ArtifactLibrary | None = None
    """
    Where attachments are kept; they stay in the events without one.
    """

    def session(
        self,
        *names: str,
        agent_id: str,
        created_at: datetime,
        parent_id: str | None = None,
        user_id: str | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> Session:
        """
        Return the session that the source names by *names*, as it is created.

        Args:
            names: The source's own id of it, alone or with others that it needs to be
                unique.

            agent_id: Which agent, unless the import was asked for another.

            created_at: When it began, by the source.

            parent_id: The id of the session that started it.

            user_id: Whose it is by the source, unless the import was asked for another.

            facts: Further members of its metadata below ``imported``.
        """
        origin = {"kind": self.kind, "id": "/".join(names), **(facts or {})}
        return Session.new(
            id=session_id_of(self.kind, *names),
            agent_id=self.agent_id or agent_id,
            tenant_id=self.tenant_id,
            user_id=self.user_id or user_id,
            parent_session_id=parent_id,
            tags=self.tags,
            created_at=created_at,
            metadata={IMPORTED: origin},
        ).update_status(SessionStatus.ACTIVE, at=created_at)


@runtime_checkable
class Importer(Protocol):
    """
    Reads one kind of source.

    Nothing in a source stops it: what it does not understand it reports to the
    context's tally, by place, and goes on.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a source looks as if it were of this kind.

        Args:
            path: The path of a file, or a URL.

            beginning: The first bytes of the file, at most 64 KiB; none of a URL.
        """
        ...

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield what the source holds, the records of one session in their order.

        Memory does not grow with the source. If the context says to follow, it yields
        ``CaughtUp`` whenever all is read, and goes on until it is closed.

        Raises:
            ValidationError: If there is no such source.
        """
        ...
