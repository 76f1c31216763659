"""
From conversations to the records that make what is stored the same.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from itertools import islice

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.importers.conversation import Aside, Conversation, Step
from asm_async.importers.importer import IMPORTED, ImportContext
from asm_async.importers.members import object_at
from asm_async.importers.names import digest_of, event_id_of, time_of
from asm_async.importers.pictured_runs import ConversationRuns
from asm_async.importers.pictured_steps import (
    Named,
    StepNames,
    TurnEnd,
    event_ids_of,
    with_ends,
)
from asm_async.importers.records import (
    Attachment,
    NotUnderstoodError,
    Place,
    Record,
    record_event,
    with_original,
)
from asm_async.importers.summary import ProblemCode
from asm_async.transcripts.event_maker import EventMaker
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

_UPDATED_AT = "updated_at"
_ASIDES_PER_READ = 200
_NEXT = timedelta(microseconds=1)


async def records_of_conversation(
    context: ImportContext, conversation: Conversation
) -> AsyncGenerator[Record]:
    """
    Yield what makes the stored session the same as a conversation.

    What it begins with and is stored stays. If it goes on otherwise than the stored
    one, the rest of that is hidden in the same step in which its own begins.
    """
    stored = await _stored_session(context, conversation)
    if stored is not None and _is_newer(stored, conversation.updated_at):
        yield Record(place=conversation.place, session=conversation.session)
        return
    facts = dict(conversation.facts)
    if conversation.updated_at is not None:
        facts[_UPDATED_AT] = conversation.updated_at.isoformat()
    yield Record(
        place=conversation.place,
        session=conversation.session,
        title=conversation.title,
        facts=facts,
    )
    writer = _ConversationWriter(context, conversation, stored)
    async for record in writer.records():
        yield record


async def _stored_session(
    context: ImportContext, conversation: Conversation
) -> Session | None:
    try:
        return await context.store.get_session(conversation.session.id)
    except SessionNotFoundError:
        return None


def _is_newer(stored: Session, updated_at: datetime | None) -> bool:
    """
    Return whether a later picture was imported already.
    """
    origin = object_at(stored.metadata, IMPORTED)
    known = time_of(origin.get(_UPDATED_AT))
    return known is not None and updated_at is not None and known > updated_at


class _ConversationWriter:
    """
    Makes the records of one conversation.
    """

    def __init__(
        self, context: ImportContext, conversation: Conversation, stored: Session | None
    ) -> None:
        self._context = context
        self._conversation = conversation
        self._session = conversation.session
        self._stored = stored
        self._runs = ConversationRuns(context.kind, conversation)
        self._stored_runs: dict[str, Run] = {}
        self._time = (stored or conversation.session).created_at

    async def records(self) -> AsyncGenerator[Record]:
        kind, store = self._context.kind, self._context.store
        is_stored = self._stored is not None
        if is_stored:
            stored_runs = await store.list_runs(self._session.id)
            self._stored_runs = {run.id: run for run in stored_runs}
        conversation = self._conversation
        names = StepNames(
            store,
            kind,
            self._session.id,
            is_stored=is_stored,
            part=conversation.part,
            is_latest=conversation.updated_at is not None,
        )
        async for named in names.named(with_ends(conversation.steps)):
            self._time = self._time_of(named)
            events, runs = self._made_of(named)
            is_known = named.stored_at is not None
            if is_known:
                self._context.tally.add(events_known=len(events))
            if not is_known or runs:
                yield Record(
                    place=self._place_of(named),
                    session=self._session,
                    events=() if is_known else events,
                    runs=runs,
                    attachments=() if is_known else self._attachments(named),
                    rewinds_to=named.rewinds_to,
                )
        run = self._runs.run
        if run is not None and self._has_more(run):
            yield Record(
                place=self._conversation.place, session=self._session, runs=(run,)
            )
        async for record in self._asides():
            yield record

    def _time_of(self, named: Named) -> datetime:
        """
        Return when something was said; what tells no time came right after the rest.
        """
        said = named.said
        if not isinstance(said, Step):
            return named.stored_at or self._time
        if time := said.time or named.stored_at:
            return time
        written_at = self._conversation.written_at
        if self._stored is not None and written_at is not None:
            return max(self._time + _NEXT, written_at)
        return self._time + _NEXT

    async def _asides(self) -> AsyncGenerator[Record]:
        rest = iter(self._conversation.asides)
        while some := list(islice(rest, _ASIDES_PER_READ)):
            made = [each for aside in some if (each := self._aside(aside))]
            known: set[str] = set()
            if self._stored is not None:
                ids = [event.id for event, _ in made]
                found = await self._context.store.get_events(self._session.id, ids=ids)
                known = {event.id for event in found}
                self._context.tally.add(events_known=len(known))
            for event, place in made:
                if event.id not in known:
                    yield Record(place=place, session=self._session, events=(event,))

    def _made_of(self, named: Named) -> tuple[tuple[Event, ...], tuple[Run, ...]]:
        said = named.said
        if isinstance(said, TurnEnd):
            return self._ended(named)
        if isinstance(said, Step):
            return self._said(said, named), ()
        return self._record("cut", event_ids_of(self._context.kind, named.name)), ()

    def _place_of(self, named: Named) -> Place:
        said = named.said
        step = said.step if isinstance(said, TurnEnd) else said
        return step.place if isinstance(step, Step) else self._conversation.place

    def _attachments(self, named: Named) -> tuple[Attachment, ...]:
        said = named.said
        return tuple(said.attachments()) if isinstance(said, Step) else ()

    def _ended(self, named: Named) -> tuple[tuple[Event, ...], tuple[Run, ...]]:
        ended = self._runs.end(named.name, self._time)
        if ended is None:
            return (), ()
        run, event = ended
        is_saved = named.stored_at is not None and not self._has_more(run)
        return (event,), () if is_saved else (run,)

    def _has_more(self, run: Run) -> bool:
        """
        Return whether a run is not stored, or goes on there.
        """
        stored = self._stored_runs.get(run.id)
        return stored is None or not stored.status.is_over

    def _said(self, step: Step, named: Named) -> tuple[Event, ...]:
        self._context.tally.add(record_count=1)
        started = self._runs.take(step, named.name, self._time)
        run = self._runs.run
        prefix = event_ids_of(self._context.kind, named.name)
        maker = EventMaker(
            self._session.id,
            {
                "id_prefix": prefix,
                "timestamp": self._time,
                "run_id": None if run is None else run.id,
                "provider": self._conversation.provider,
            },
        )
        try:
            step.add(maker)
        except (NotUnderstoodError, ValidationError) as error:
            # What it has said before stays.
            self._report(step, error)
        events = tuple(maker.events) or self._record(step.record_name, prefix)
        try:
            events = with_original(events, step.original)
        except ValidationError as error:
            self._report(step, error)
        return (*started, *events)

    def _record(self, name: str, prefix: str) -> tuple[Event, ...]:
        event = record_event(
            session_id=self._session.id,
            event_id=f"{prefix}1",
            timestamp=self._time,
            kind=self._context.kind,
            name=name,
        )
        return (event,)

    def _report(self, step: Step | Aside, error: Exception) -> None:
        code = ProblemCode.NOT_UNDERSTOOD
        reason = f"{step.path}: {error}"
        self._context.tally.problem(step.place, code, reason)

    def _aside(self, aside: Aside) -> tuple[Event, Place] | None:
        try:
            event = record_event(
                session_id=self._session.id,
                event_id=event_id_of(self._context.kind, digest_of(aside.said)),
                timestamp=aside.time or self._session.created_at,
                kind=self._context.kind,
                name=aside.name,
            )
            (whole,) = with_original((event,), aside.original)
        except ValidationError as error:
            self._report(aside, error)
            return None
        return whole, aside.place
