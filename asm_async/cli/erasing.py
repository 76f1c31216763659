"""
``asm erase``: all that belongs to a tenant or a user.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import confirm, say
from asm_async.cli.running_report import RunningReport
from asm_async.cli.texts import counted
from asm_async.errors import ValidationError
from asm_async.files import LocalArtifactStore
from asm_async.ports.together import Ports
from asm_async.values.maintenance import ErasureReport


def erase_sessions(
    *,
    tenant: str | None = None,
    user: str | None = None,
    with_children: Annotated[bool, Parameter(show_default=False)] = False,
    artifact_store: Annotated[str | None, Parameter(metavar="DIRECTORY")] = None,
    yes: Annotated[bool, Parameter(alias="-y", show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """
    Remove all sessions of a tenant or a user, or of both together, for good.

    It is done in batches: broken off, it can be repeated, and goes on. It exits with 1
    if something is left. With --json it prints the report as an object.

    Args:
        tenant: Whose sessions.

        user: For whom the agents worked.

        with_children: Also the sessions that these have started.

        artifact_store: The directory with the contents of artifacts, to remove them.

        yes: Do not ask.
    """
    if tenant is None and user is None:
        raise ValidationError("--tenant or --user: at least one of them is needed")
    contents = None if artifact_store is None else LocalArtifactStore(artifact_store)
    running = RunningReport(options, ErasureReport(), _erased)

    async def work(ports: Ports) -> None:
        if not yes:
            found = await ports.query.search_sessions(
                tenant_id=tenant,
                user_id=user,
                include_deleted=True,
                limit=0,
                count_total=True,
            )
            sessions = counted(found.total_count or 0, "session")
            confirm(f"Remove {sessions} for good?", yes=False)
        try:
            running.done = await ports.maintenance.erase(
                tenant_id=tenant,
                user_id=user,
                with_children=with_children,
                artifact_store=contents,
                progress=running.show,
            )
        finally:
            running.finish()

    on_ports(options, work)
    done = running.done
    if done.children_left:
        ids = ", ".join(done.child_ids_left)
        say(options, f"{done.children_left:,} children of others stay: {ids}")
    return 0 if done.is_complete else 1


def _erased(done: ErasureReport) -> str:
    counts = {
        "session": done.session_count,
        "run": done.run_count,
        "event": done.event_count,
        "state item": done.item_count,
        "artifact": done.artifact_count,
        "content": done.content_count,
    }
    return "erased " + ", ".join(counted(count, noun) for noun, count in counts.items())
