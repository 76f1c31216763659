"""
A session store whose values are stored in another form than callers see.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from copy import copy
from itertools import chain
from typing import Any, TypeVar

import attrs

from asm_async.coded.coder import CodedValue, Coder, Removal
from asm_async.coded.coding import Coding
from asm_async.errors import (
    ConflictError,
    EventConflictError,
    SessionNotFoundError,
    UnreadableValueError,
)
from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.ports.session_store import SessionStore
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event, EventSnapshot
from asm_async.values.run import Run
from asm_async.values.session import Session

T = TypeVar("T")
V = TypeVar("V", Session, Run, Event)


class CodedSessionStore(SessionStoreFront):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` in front of another one.

    Values are encoded before they are written and decoded after they were read; every
    promise of the port holds as before. Errors name what callers see.

    Args:
        store: Where the values go; closed with this one.

        coder: Encodes them, and decodes them again.

    Raises:
        ValidationError: If *store* or *coder* is something else.
    """

    def __init__(self, store: SessionStore, coder: Coder) -> None:
        if not callable(getattr(store, "append_events", None)):
            raise fields.unexpected("store", "a SessionStore", store)
        self.behind: SessionStore = store
        """
        The store that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))
        self._is_lenient = False

    @property
    def coder(self) -> Coder:
        """
        What encodes and decodes its values.
        """
        return self._coding.coder

    def over(self, behind: SessionStore) -> CodedSessionStore:
        """
        Return the same store in front of another one.
        """
        store = copy(self)
        store.behind = behind
        return store

    def lenient(self) -> CodedSessionStore:
        """
        Return the same store for those who only pass on what they read.

        A session, a run or an event that cannot be decoded raises no error there: it is
        shown as the coder says.
        """
        store = copy(self)
        store._is_lenient = True  # noqa: SLF001 - of its own class
        return store

    async def aclose(self) -> None:
        """
        Close the store that it wraps.
        """
        await self.behind.aclose()

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        async def append(events: Sequence[Event]) -> Sequence[Event]:
            artifacts = tuple(self._coding.coder.artifacts_of(events))
            if artifacts and len({event.session_id for event in events}) == 1:
                together = Changes(events=tuple(events), artifacts=artifacts)
                committed = await self.behind.commit(
                    together,
                    expected_sequence=expected_sequence,
                    expected_tenant=expected_tenant,
                )
                return committed.events
            await self._register_before(artifacts, expected_tenant)
            return await self.behind.append_events(
                events,
                expected_sequence=expected_sequence,
                expected_tenant=expected_tenant,
            )

        given = [event for event, _, _ in batch]
        (encoded,) = await self._encoded(expected_tenant, given)
        stored = await self._written(given, encoded, append, expected_tenant)
        return await self._returned(given, stored)

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        save = changes.save
        items, removed = (save.items, save.removed) if save else ((), ())
        given = [event for event, _, _ in changes.batch]
        parts = await self._encoded(
            expected.expected_tenant,
            _one_or_none(changes.session),
            _one_or_none(changes.create_session),
            changes.runs,
            given,
            items,
            changes.artifacts,
        )
        sessions, created, runs, events, items_to_save, artifacts = parts
        whole = Changes(
            session=next(iter(sessions), None),
            create_session=next(iter(created), None),
            runs=tuple(runs),
            events=tuple(events),
            items=tuple(items_to_save),
            removed_items=tuple(removed),
            artifacts=tuple(artifacts),
        )

        async def commit(events: Sequence[Event]) -> Committed:
            own = self._coding.coder.artifacts_of(events)
            return await self.behind.commit(
                attrs.evolve(whole, events=tuple(events), artifacts=(*artifacts, *own)),
                **attrs.asdict(expected, recurse=False),
            )

        stored = await self._written(given, events, commit, expected.expected_tenant)
        asked = stored.artifacts[: len(artifacts)]
        return await self._returned_commit(given, attrs.evolve(stored, artifacts=asked))

    async def _retract(self, retraction: Retraction) -> list[Event]:
        expected = retraction.expected

        async def retract(replacement: Sequence[Event]) -> list[Event]:
            await self._register_before(
                self._coding.coder.artifacts_of(replacement), expected.expected_tenant
            )
            return await self.behind.retract_events(
                retraction.session_id,
                first=retraction.first,
                last=retraction.last,
                replacement=replacement,
                expected_sequence=expected.expected_sequence,
                operation_id=expected.operation_id,
                expected_tenant=expected.expected_tenant,
            )

        given = retraction.replacement
        (encoded,) = await self._encoded(expected.expected_tenant, given)
        told, *stored = await self._written(
            given, encoded, retract, expected.expected_tenant
        )
        return [told, *await self._returned(given, stored)]

    async def _copy_session(self, copy: SessionCopy) -> Session:
        tenant_id = copy.expected.expected_tenant
        ((target,),) = await self._encoded(tenant_id, [copy.target])
        copied = await self.behind.copy_session(
            copy.source_id,
            target,
            through=copy.through,
            scopes=copy.scopes,
            operation_id=copy.expected.operation_id,
            expected_tenant=tenant_id,
        )
        return await self._coding.decoded_one(copied)

    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None:
        await self.behind.delete_session(session_id, expected_tenant=expected_tenant)
        await self._coding.coder.removed(Removal(session_ids=(session_id,)))

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        session = await self.behind.get_session(
            session_id, expected_tenant=expected_tenant
        )
        (decoded,) = await self._read([session])
        return decoded

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        sessions = await self.behind.list_sessions(**_arguments(wanted))
        return await self._coding.shown(sessions)

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        run = await self.behind.get_run(run_id, expected_tenant=expected_tenant)
        (decoded,) = await self._read([run])
        return decoded

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        runs = await self.behind.list_runs(session_id, **_arguments(wanted))
        return await self._coding.shown(runs)

    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None:
        run = await self.behind.get_active_run(
            session_id, expected_tenant=expected_tenant
        )
        if run is None:
            return None
        (decoded,) = await self._read([run])
        return decoded

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        events = await self.behind.get_events(session_id, **_arguments(wanted))
        return await self._read(events)

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        return await self.behind.get_latest_sequence(
            session_id, expected_tenant=expected_tenant
        )

    async def _read(self, stored: Sequence[V]) -> list[V]:
        decode = self._coding.shown if self._is_lenient else self._coding.decoded
        return await decode(stored)

    async def _encoded(
        self, expected_tenant: str | None, *parts: Sequence[CodedValue]
    ) -> tuple[list[Any], ...]:
        """
        Encode what goes into sessions; the coder's conflicts tell nothing of others'.

        Raises:
            SessionNotFoundError: If what the coder refuses belongs to a session of
                another tenant.
        """
        try:
            return await self._coding.encoded_parts(*parts)
        except ConflictError:
            if expected_tenant is not None:
                await self._check_tenant(chain(*parts), expected_tenant)
            raise

    async def _check_tenant(
        self, values: Iterable[CodedValue], expected_tenant: str
    ) -> None:
        ids = [
            value.id if isinstance(value, Session) else value.session_id
            for value in values
        ]
        for session_id in dict.fromkeys(ids):
            if session_id is None:
                continue
            try:
                stored = await self.behind.get_session(session_id)
            except SessionNotFoundError:
                # One that the call begins.
                continue
            if stored.tenant_id != expected_tenant:
                raise SessionNotFoundError(session_id)

    async def _register_before(
        self, artifacts: Iterable[Artifact], expected_tenant: str | None
    ) -> None:
        """
        Register artifacts before the events that need them, where no commit takes both.

        If the events are refused then, the artifacts stay with their sessions.
        """
        of_sessions: dict[str | None, list[Artifact]] = {}
        for artifact in artifacts:
            of_sessions.setdefault(artifact.session_id, []).append(artifact)
        for of_session in of_sessions.values():
            await self.behind.commit(
                Changes(artifacts=tuple(of_session)), expected_tenant=expected_tenant
            )

    async def _returned(
        self, given: Sequence[Event], stored: Sequence[Event]
    ) -> list[Event]:
        """
        Return what the caller sees of its events, once they are stored.
        """
        if not self._coding.coder.is_reversible:
            return await self._coding.decoded(stored)
        # Events that are stored have the same content as those that were given.
        return [
            event.with_given(twin.sequence_number)
            for event, twin in zip(given, stored, strict=True)
        ]

    async def _returned_commit(
        self, given: Sequence[Event], stored: Committed
    ) -> Committed:
        sessions, runs, items, artifacts = await self._coding.decoded_parts(
            _one_or_none(stored.session), stored.runs, stored.items, stored.artifacts
        )
        return Committed(
            session=next(iter(sessions), None),
            runs=tuple(runs),
            events=tuple(await self._returned(given, stored.events)),
            items=tuple(items),
            artifacts=tuple(artifacts),
        )

    async def _written(
        self,
        given: Sequence[Event],
        encoded: Sequence[Event],
        write: Callable[[Sequence[Event]], Awaitable[T]],
        expected_tenant: str | None,
    ) -> T:
        """
        Write events; in the form they have already, if they are stored in another one.
        """
        while True:
            try:
                return await write(encoded)
            except EventConflictError as conflict:
                if not self._coding.coder.is_reversible:
                    # What callers see is what is stored.
                    raise
                known = await self._stored_twins(given, conflict, expected_tenant)
                replaced = [
                    known.get((event.session_id, event.id), other)
                    for event, other in zip(given, encoded, strict=True)
                ]
                if replaced == list(encoded):
                    raise
                encoded = replaced

    async def _stored_twins(
        self,
        given: Sequence[Event],
        conflict: EventConflictError,
        expected_tenant: str | None,
    ) -> dict[tuple[str, str], Event]:
        """
        Return how events of a session are stored that was found to hold others.

        Raises:
            EventConflictError: If one differs in what callers see.
        """
        session_id = conflict.session_id
        wanted = {event.id: event for event in given if event.session_id == session_id}
        stored = await self.behind.get_events(
            session_id, ids=wanted.keys(), expected_tenant=expected_tenant
        )
        try:
            decoded = await self._coding.decoded(stored)
        except UnreadableValueError:
            raise conflict from None
        for event in decoded:
            differing = event.differing_field(wanted[event.id])
            if differing:
                raise EventConflictError(session_id, event.id, differing) from None
        return {(session_id, event.id): event.with_given(0) for event in stored}


def _one_or_none(session: Session | None) -> tuple[Session, ...]:
    return () if session is None else (session,)


def _arguments(wanted: SessionFilter | RunFilter | EventFilter) -> dict[str, Any]:
    return attrs.asdict(wanted, recurse=False)
