"""
Batches into the ports.
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from asm_async.errors import (
    ArtifactConflictError,
    ArtifactNotFoundError,
    ConflictError,
    EventConflictError,
    NotFoundError,
    RunNotFoundError,
    SessionDeletedError,
    SessionNotFoundError,
    ValidationError,
)
from asm_async.importers.batch import Batch, with_facts
from asm_async.importers.framework_items import mark_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.names import items_scope
from asm_async.importers.records import Place
from asm_async.importers.rewinding import numbers_taken_back
from asm_async.importers.stored_runs import merged_run, with_digest
from asm_async.importers.summary import ProblemCode
from asm_async.integrations.ids import safe_id
from asm_async.ports.together import Ports
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

_MAX_KNOWN_SESSIONS = 1_024


@attrs.define(eq=False)
class _Known:
    """
    What is known of a session in the store.
    """

    is_new: bool = True
    """
    Whether this import has made it, or will: then none of its runs is stored.
    """

    latest: int = 0
    """
    The latest sequence number that was seen.
    """

    refusal: str = ""
    """
    Why nothing can be written to it.
    """

    saved_runs: set[str] = attrs.field(factory=set[str])


class StoreTarget:
    """
    Writes batches through the ports; what is stored already stays as it is.

    Args:
        ports: Where to.

        context: Whose sessions they are, and whom conflicts are reported to.
    """

    def __init__(self, ports: Ports, context: ImportContext) -> None:
        self._ports = ports
        self._store = ports.store
        self._context = context
        self._tally = context.tally
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def write(self, batch: Batch) -> None:
        """
        Write what is not stored yet of a batch, at best in one transaction.
        """
        known = await self._known_of(batch)
        if known.refusal:
            self._refuse(batch, known.refusal)
            return
        try:
            await self._write(batch, known)
        except (SessionDeletedError, SessionNotFoundError) as error:
            known.refusal = str(error)
            self._refuse(batch, known.refusal)

    async def _write(self, batch: Batch, known: _Known) -> None:
        kind = self._context.kind
        runs = [(with_digest(run, kind), place) for run, place in batch.runs.values()]
        fresh: list[Run] = []
        if known.is_new:
            fresh = [run for run, _ in runs if run.id not in known.saved_runs]
        if batch.attachments:
            await self._commit(batch, [], [])
            await self._save_attachments(batch)
        try:
            events = [event for event, _ in batch.events]
            stored = await self._commit(batch, events, fresh)
        except SessionDeletedError:
            raise
        except (ConflictError, ValidationError):
            # Something is stored already, with other content or of somebody else.
            known.is_new, fresh = False, []
            stored = await self._append(batch)
        self._count(stored, known)
        saved = {run.id for run in fresh}
        self._tally.add(runs_imported=len(saved))
        known.saved_runs |= saved
        for run, place in runs:
            if run.id not in saved:
                await self._save_run(run, place)
        for item, place in batch.items.values():
            await self._save_item(batch.session.id, item, place)

    async def _append(self, batch: Batch) -> list[Event]:
        try:
            return await self._commit(batch, [event for event, _ in batch.events], [])
        except (EventConflictError, ValidationError):
            await self._commit(batch, [], [])
            return await self._append_each(batch)

    async def _commit(
        self, batch: Batch, events: list[Event], runs: list[Run]
    ) -> list[Event]:
        committed = await self._store.commit(
            Changes(
                create_session=batch.named_session(),
                events=tuple(events),
                runs=tuple(runs),
            ),
            expected_revisions={run.id: 0 for run in runs},
            expected_tenant=self._context.tenant_id,
        )
        return list(committed.events)

    async def _append_each(self, batch: Batch) -> list[Event]:
        """
        Append events one by one, and report those that the store does not take.
        """
        stored: list[Event] = []
        for event, place in batch.events:
            try:
                stored += await self._store.append_events(
                    [event], expected_tenant=self._context.tenant_id
                )
            except EventConflictError as error:
                self._tally.problem(place, ProblemCode.CONFLICT, str(error))
            except ValidationError as error:
                self._tally.problem(place, ProblemCode.NOT_UNDERSTOOD, str(error))
        return stored

    def _count(self, stored: list[Event], known: _Known) -> None:
        new = [e for e in stored if e.sequence_number > known.latest]
        known.latest = max([known.latest, *(e.sequence_number for e in new)])
        self._tally.add(events_imported=len(new), events_known=len(stored) - len(new))

    async def _save_run(self, run: Run, place: Place) -> None:
        tenant = self._context.tenant_id
        try:
            try:
                stored = await self._store.get_run(run.id, expected_tenant=tenant)
            except RunNotFoundError:
                await self._store.save_run(
                    run, expected_revision=0, expected_tenant=tenant
                )
                self._tally.add(runs_imported=1)
                return
            changed = merged_run(stored, run)
            if changed is not stored:
                await self._store.save_run(
                    changed, expected_revision=stored.revision, expected_tenant=tenant
                )
                self._tally.add(runs_changed=1)
        except (ConflictError, NotFoundError, ValidationError) as error:
            self._tally.problem(place, ProblemCode.CONFLICT, str(error))

    async def _save_item(self, session_id: str, item: StateItem, place: Place) -> None:
        state = self._ports.state
        found = await state.get_items(item.scope, [item.key])
        is_ours = item.scope == items_scope(session_id)
        stored = found.get(item.key)
        if stored is not None:
            is_same = (stored.data, stored.content) == (item.data, item.content)
            if is_same:
                return
            if not (is_ours or await self._is_as_imported(session_id, stored)):
                reason = f"state item {item.scope!r} {item.key!r} has other content"
                self._tally.problem(place, ProblemCode.CONFLICT, reason)
                return
        marks = [] if is_ours else [mark_of(session_id, item)]
        await state.save_items([item, *marks])
        self._tally.add(items_imported=1)

    async def _is_as_imported(self, session_id: str, stored: StateItem) -> bool:
        mark = mark_of(session_id, stored)
        found = await self._ports.state.get_items(mark.scope, [mark.key])
        return mark.key in found and found[mark.key].data == mark.data

    async def _save_attachments(self, batch: Batch) -> None:
        library = self._context.artifacts
        if library is None:
            return
        for attachment, place in batch.attachments.values():
            try:
                await library.registry.get_by_key(attachment.key)
            except ArtifactNotFoundError:
                pass
            else:
                continue
            try:
                await library.save(
                    attachment.content,
                    key=attachment.key,
                    session_id=batch.session.id,
                    content_type=attachment.content_type,
                )
            except (ArtifactConflictError, ValidationError) as error:
                self._tally.problem(place, ProblemCode.CONFLICT, str(error))
            else:
                self._tally.add(artifacts_imported=1)

    async def rewind(self, event_id: str, replacement: Batch) -> None:
        """
        Write *replacement*, and hide what it takes back in the same step.
        """
        known = await self._known_of(replacement)
        if not known.refusal and replacement.events:
            await self._hide(event_id, replacement)
        # Its events are stored now, but for those of a session that is refused.
        await self.write(replacement)

    async def _hide(self, event_id: str, replacement: Batch) -> None:
        session_id, kind = replacement.session.id, self._context.kind
        events = [event for event, _ in replacement.events]
        ids = [event.id for event in events]
        if await self._store.get_events(session_id, ids=ids):
            return
        ranges = await numbers_taken_back(self._store, session_id, event_id, kind=kind)
        for index, (first, last) in enumerate(ranges):
            is_last = index == len(ranges) - 1
            await self._store.retract_events(
                session_id,
                first=first,
                last=last,
                replacement=events if is_last else (),
                operation_id=safe_id(f"{kind}-rewind", ids[0], str(index)),
                expected_tenant=self._context.tenant_id,
            )

    async def finish(self, batch: Batch) -> None:
        """
        Save the title and the facts of the session, if they are others than stored.
        """
        known = await self._known_of(batch)
        if known.refusal:
            return
        tenant = self._context.tenant_id

        def change(stored: Session) -> Session:
            return with_facts(stored, batch.title, batch.facts)

        try:
            await self._store.update_session(
                batch.session.id, change, expected_tenant=tenant
            )
        except (NotFoundError, ConflictError):
            # Nothing of it was worth a session, or it was deleted meanwhile.
            return

    async def _known_of(self, batch: Batch) -> _Known:
        session_id = batch.session.id
        if (known := self._known.get(session_id)) is not None:
            self._known.move_to_end(session_id)
            return known
        known = _Known()
        try:
            await self._store.get_session(session_id)
        except SessionNotFoundError:
            self._tally.add(sessions_imported=1)
        else:
            known.is_new = False
            known.latest = await self._store.get_latest_sequence(session_id)
            self._tally.add(sessions_known=1)
        self._known[session_id] = known
        if len(self._known) > _MAX_KNOWN_SESSIONS:
            self._known.popitem(last=False)
        return known

    def _refuse(self, batch: Batch, reason: str) -> None:
        places = {place for _, place in batch.events}
        for place in sorted(places, key=lambda each: (each.source, each.number)):
            self._tally.problem(place, ProblemCode.SESSION_CLOSED, reason)
