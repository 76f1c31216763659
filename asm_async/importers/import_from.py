"""
Importing what another program has recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing

from asm_async.artifacts import ArtifactLibrary
from asm_async.errors import ValidationError
from asm_async.importers.counting_target import CountingTarget
from asm_async.importers.detecting import AUTO, kind_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.kinds import kind_named
from asm_async.importers.store_target import StoreTarget
from asm_async.importers.summary import MAX_PROBLEMS, ImportSummary
from asm_async.importers.tally import Tally
from asm_async.importers.writer import BatchWriter
from asm_async.ports.history_transfer import MAX_LINE_BYTES
from asm_async.ports.together import Ports
from asm_async.values import fields


async def import_from(
    ports: Ports,
    kind: str,
    path: str,
    *,
    progress: Callable[[ImportSummary], object] | None = None,
    follow: bool = False,
    poll_interval: float = 1.0,
    dry_run: bool = False,
    tenant_id: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    tags: Iterable[str] = (),
    artifacts: ArtifactLibrary | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    max_problems: int = MAX_PROBLEMS,
) -> ImportSummary:
    """
    Store what another program has recorded, as sessions, runs and events.

    Ids and times are derived from the source. So the call may be repeated: it adds what
    is new in the source, and continues an import that was killed. Stored events are
    never changed: a record that is stored with other content is reported.

    A record that is not understood is reported with its place, and stops nothing.
    Memory does not grow with the source.

    Args:
        ports: Where to.

        kind: What it is: a name of ``KINDS``; or ``auto``, to look at it.

        path: What to read: a file, a folder, or a database, as the kind says; ``-`` is
            standard input.

        progress: Called with the counts after each batch.

        follow: Whether to go on when all is read, with what is written then, until the
            call is cancelled. Cancelling leaves whole batches: the next import goes on.

        poll_interval: How often to look for changes then, in seconds.

        dry_run: Whether to count only what would be new.

        tenant_id: The tenant of new sessions. A session of another one is left alone.

        user_id: The user of new sessions, instead of one that the source has.

        agent_id: The agent of new sessions, instead of the kind's own.

        tags: Tags of new sessions.

        artifacts: Where attachments are kept. Without it they stay in the events.

        max_line_bytes: The longest record to accept.

        max_problems: How many problems to describe; all are counted.

    Returns:
        The counts, and the problems.

    Raises:
        ValidationError: If an argument is wrong.

        NotFoundError: If there is no such source.

        MissingDependencyError: If the kind needs a package that is not installed.

        StorageError: If the store fails; what was written stays.
    """
    found = await kind_of(path) if kind == AUTO else kind_named(kind)
    importer = found.load()
    if not 0 < poll_interval <= _MAX_POLL_SECONDS:
        raise ValidationError(
            f"poll_interval: expected up to {_MAX_POLL_SECONDS}, got {poll_interval!r}"
        )
    tally = Tally(fields.count(max_problems, "max_problems"), progress)
    context = ImportContext(
        kind=found.name,
        path=fields.instance(path, "path", str),
        tally=tally,
        store=ports.store,
        follow=follow,
        poll_interval=poll_interval,
        max_line_bytes=fields.positive_count(max_line_bytes, "max_line_bytes"),
        tenant_id=fields.optional(tenant_id, "tenant_id", fields.text),
        user_id=fields.optional(user_id, "user_id", fields.text),
        agent_id=fields.optional(agent_id, "agent_id", fields.text),
        tags=fields.unique_texts(tags, "tags"),
        artifacts=artifacts,
    )
    target = CountingTarget(context) if dry_run else StoreTarget(ports, context)
    writer = BatchWriter(target, tally)
    async with aclosing(importer.records(context)) as records:
        await writer.write_all(records)
    return tally.summary()


_MAX_POLL_SECONDS = 3_600
