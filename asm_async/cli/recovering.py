"""
``asm recover``: runs whose process is gone.
"""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from asm_async.cli.database import on_ports
from asm_async.cli.options import DEFAULTS, Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Screen
from asm_async.cli.texts import counted
from asm_async.cli.times import Duration
from asm_async.ports.together import Ports
from asm_async.recording import RecoveryReport, recover_interrupted_runs


def recover(
    *,
    tenant: str | None = None,
    session: str | None = None,
    max_clock_skew: Annotated[float, Parameter(metavar="SECONDS")] = 300.0,
    unleased_after: Duration | None = None,
    options: Options = DEFAULTS,
) -> None:
    """
    End the recorded runs whose process is gone: failed, with the code "interrupted".

    A run whose lease may still be renewed is watched until that is known, by default
    for 80 seconds. With --json it prints an object with the members "ended", the runs
    as they are exported, "alive", "without_lease" and "refused", which are counts.

    Args:
        tenant: Only runs of this tenant's sessions.

        session: Only runs of this session.

        max_clock_skew: By how many seconds the clocks of hosts may differ.

        unleased_after: Also end runs that nobody records, if started so long ago.
    """

    async def work(ports: Ports) -> RecoveryReport:
        return await recover_interrupted_runs(
            ports,
            tenant_id=tenant,
            session_id=session,
            max_clock_skew=max_clock_skew,
            unleased_after=unleased_after,
        )

    say(options, "looking for interrupted runs ...")
    done = on_ports(options, work)
    screen = Screen()
    if options.as_json:
        counts = {
            "alive": done.alive,
            "without_lease": done.without_lease,
            "refused": done.refused,
        }
        screen.json({"ended": [run.to_dict() for run in done.ended], **counts})
        return
    for run in done.ended:
        screen.line(run.id, " ", run.session_id)
    screen.flush()
    say(
        options,
        f"ended {counted(len(done.ended), 'run')}; alive: {done.alive:,}, without a"
        f" lease: {done.without_lease:,}, of deleted sessions: {done.refused:,}",
    )
