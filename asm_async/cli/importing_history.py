"""
``asm import --from``: what another program has recorded.
"""

from __future__ import annotations

from typing import Annotated

import attrs
from cyclopts import Group, Parameter

from asm_async.artifacts import ArtifactLibrary
from asm_async.cli.contents import ContentOptions
from asm_async.cli.database import on_ports
from asm_async.cli.options import Options
from asm_async.cli.reports import say
from asm_async.cli.running_report import RunningReport
from asm_async.cli.texts import counted
from asm_async.errors import ValidationError
from asm_async.importers import ImportSummary, import_from
from asm_async.ports.together import Ports

_GO_ON = "run the same command to continue"


@Parameter(name="*", group=Group("With --from", sort_key=50))
@attrs.frozen(kw_only=True)
class HistoryOptions:
    """
    How another program's history is imported.
    """

    follow: Annotated[
        bool,
        Parameter(
            alias="-f",
            help="Go on with what is written from now on, until Ctrl-C.",
            show_default=False,
        ),
    ] = False

    poll_interval: Annotated[
        float,
        Parameter(
            metavar="SECONDS", help="How often to look for changes while following."
        ),
    ] = 1.0

    dry_run: Annotated[
        bool,
        Parameter(help="Only count what would be stored.", show_default=False),
    ] = False

    strict: Annotated[
        bool,
        Parameter(help="Exit with 1 if something was left out.", show_default=False),
    ] = False

    tenant_id: Annotated[
        str | None, Parameter(name="--tenant", help="The tenant of new sessions.")
    ] = None

    user_id: Annotated[
        str | None, Parameter(name="--user", help="The user of new sessions.")
    ] = None

    agent_id: Annotated[
        str | None, Parameter(name="--agent", help="The agent of new sessions.")
    ] = None

    tags: Annotated[
        tuple[str, ...],
        Parameter(
            name="--tag",
            help="A tag of new sessions; may be given more than once.",
            show_default=False,
        ),
    ] = ()

    def check_unused(self) -> None:
        """
        Refuse the options where an export is imported.
        """
        if self != NO_HISTORY_OPTIONS:
            given = attrs.asdict(self)
            names = [
                k for k, v in attrs.asdict(NO_HISTORY_OPTIONS).items() if given[k] != v
            ]
            option = names[0].removesuffix("_id").removesuffix("s").replace("_", "-")
            raise ValidationError(f"--{option}: it needs --from")


NO_HISTORY_OPTIONS = HistoryOptions()
"""
None of them.
"""


def import_history(
    path: str,
    kind: str,
    *,
    max_line_bytes: int,
    contents: ContentOptions,
    history: HistoryOptions,
    options: Options,
) -> int:
    """
    Store what another program has recorded, and report what was not understood.

    Returns:
        1 if something was left out and the command is strict, else 0.
    """
    artifact_store = contents.library_store()
    running = RunningReport(
        options, ImportSummary(), lambda done: _imported(done, history)
    )
    problems = _Problems(options)

    def show(done: ImportSummary) -> None:
        problems.show(done)
        running.show(done)

    async def work(ports: Ports) -> None:
        library = None
        if artifact_store is not None:
            library = ArtifactLibrary(ports.artifacts, artifact_store)
        done = await import_from(
            ports,
            kind,
            path,
            progress=show,
            follow=history.follow,
            poll_interval=history.poll_interval,
            dry_run=history.dry_run,
            tenant_id=history.tenant_id,
            user_id=history.user_id,
            agent_id=history.agent_id,
            tags=history.tags,
            artifacts=library,
            max_line_bytes=max_line_bytes,
        )
        show(done)

    try:
        on_ports(options, work)
    except KeyboardInterrupt:
        running.finish()
        say(options, _GO_ON)
        if not history.follow:
            raise
    else:
        running.finish()
    return int(history.strict and running.done.problem_count > 0)


@attrs.define
class _Problems:
    """
    Reports each problem once, as far as they are described.
    """

    options: Options
    shown: int = 0

    def show(self, done: ImportSummary) -> None:
        for problem in done.problems[self.shown :]:
            place = f"{problem.source}:{problem.number or ''}".rstrip(":")
            say(self.options, f"{place}: {problem.code}: {problem.reason}")
        self.shown = len(done.problems)


def _imported(done: ImportSummary, history: HistoryOptions) -> str:
    verb = "would import" if history.dry_run else "imported"
    sessions = counted(done.sessions_known, "session")
    return (
        f"{verb} {counted(done.sessions_imported, 'session')},"
        f" {counted(done.runs_imported, 'run')},"
        f" {counted(done.artifacts_imported, 'artifact')},"
        f" {counted(done.items_imported, 'state item')},"
        f" {counted(done.events_imported, 'event')}"
        f" from {counted(done.source_count, 'source')};"
        f" {sessions} and {counted(done.events_known, 'event')} were here already;"
        f" {counted(done.problem_count, 'problem')}"
    )
