"""
``asm prune``: what is older, or more, than a limit.
"""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import Group, Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import confirm
from asm_async.cli.running_report import RunningReport
from asm_async.cli.streams import report
from asm_async.cli.texts import counted
from asm_async.errors import ValidationError
from asm_async.ports.together import Ports
from asm_async.values.maintenance import MaintenanceReport
from asm_async.values.plain_value import plain_json
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session import SessionStatus

_Days = Annotated[int | None, Parameter(metavar="DAYS")]
_Events = Annotated[int | None, Parameter(metavar="NUMBER")]


@Parameter(name="*", group=Group("Limits", sort_key=40))
@attrs.frozen(kw_only=True)
class Limits:
    """
    What is too old, or too much; at least one is given.
    """

    max_session_age_days: Annotated[
        _Days, Parameter(help="Mark sessions deleted that were last active longer ago.")
    ] = None

    max_completed_session_age_days: Annotated[
        _Days,
        Parameter(help="The same for sessions that are over."),
    ] = None

    max_idle_days: Annotated[
        _Days,
        Parameter(help="The same for sessions in any status."),
    ] = None

    hard_delete_after_days: Annotated[
        _Days, Parameter(help="Remove sessions for good that were deleted longer ago.")
    ] = None

    max_events_per_session: Annotated[
        _Events, Parameter(help="Remove the oldest events of sessions that have more.")
    ] = None

    max_total_events: Annotated[
        _Events, Parameter(help="Remove the oldest events if there are more in all.")
    ] = None


NO_LIMITS = Limits()
"""
Nothing is too old.
"""


def prune(
    *,
    exempt_status: Annotated[
        tuple[SessionStatus, ...], Parameter(show_default=False)
    ] = (SessionStatus.ACTIVE, SessionStatus.PAUSED),
    exempt_tag: Annotated[tuple[str, ...], Parameter(show_default=False)] = ("pinned",),
    batch_size: int = 100,
    limits: Limits = NO_LIMITS,
    yes: Annotated[bool, Parameter(alias="-y", show_default=False)] = False,
    options: Options = DEFAULTS,
) -> int:
    """
    Delete what is older or more than a limit; without limits nothing is.

    It also removes the artifacts of sessions that are gone. It is done in batches:
    broken off, it can be repeated, and goes on. A session in an exempt status may be
    idle for too long all the same. It exits with 1 if a step failed. With --json it
    prints the report as an object.

    Args:
        exempt_status: Such sessions are never too old; by default active and paused.

        exempt_tag: Sessions with this tag keep everything; by default "pinned".

        batch_size: How many sessions one transaction deletes at most.

        yes: Do not ask.
    """
    given = attrs.asdict(limits)
    if all(limit is None for limit in given.values()):
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ValidationError(f"a limit is missing: one of {names}")
    policy = RetentionPolicy.new(
        **given,
        exempt_statuses=exempt_status,
        exempt_tags=exempt_tag,
        batch_size=batch_size,
    )
    running = RunningReport(options, MaintenanceReport(), _pruned, plain=_plain)

    async def work(ports: Ports) -> None:
        confirm("Delete what is older or more than these limits?", yes=yes)
        try:
            running.done = await ports.maintenance.execute(
                policy, progress=running.show
            )
        finally:
            running.finish()

    on_ports(options, work)
    done = running.done
    for step, errors in done.errors.items():
        for error in errors:
            report(f"error: {step}: {error}")
    return 1 if done.errors else 0


def _plain(done: MaintenanceReport) -> object:
    errors = {step: tuple(map(str, each)) for step, each in done.errors.items()}
    return plain_json(attrs.asdict(done, recurse=False) | {"errors": errors})


def _pruned(done: MaintenanceReport) -> str:
    removed = {
        "session": done.sessions_hard_deleted,
        "event": done.events_pruned,
        "artifact": done.artifacts_cleaned,
    }
    counts = ", ".join(counted(count, noun) for noun, count in removed.items())
    marked = counted(done.sessions_soft_deleted, "session")
    return f"marked {marked} deleted, removed {counts}"
