"""
A session store that redacts what goes into another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import attrs

from asm_async.fronts.copying import SessionCopy
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.fronts.session_store import SessionStoreFront
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.ports.session_store import SessionStore
from asm_async.redaction.state_store import redacted_item
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event, EventSnapshot
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.session_export import SessionMember

V = TypeVar("V", Session, Run, Artifact, Event)

# All that hold JSON. By the others values are found, counted and told apart.
_FIELDS: Mapping[type[Session | SessionMember], tuple[str, ...]] = MappingProxyType(
    {
        Session: ("metadata", "context"),
        Run: (
            "input",
            "output",
            "error",
            "metadata",
            "token_usage",
            "provider_metadata",
        ),
        Artifact: ("metadata",),
        Event: ("data", "metadata"),
    }
)


def redacted(value: V, policy: RedactionPolicy) -> V:
    """
    Return *value*, whose JSON is in normal form, as it may be stored.
    """
    names = _FIELDS[type(value)]
    return attrs.evolve(
        value, **{name: policy.redact(getattr(value, name)) for name in names}
    )


class RedactingSessionStore(SessionStoreFront):
    """
    A :class:`~asm_async.ports.session_store.SessionStore` in front of another one.

    Values are redacted before they are written, and reads return the stored values. The
    JSON fields are redacted: a session's *metadata* and *context*, a run's *input*,
    *output*, *error*, *metadata*, *token_usage* and *provider_metadata*, an event's
    *data* and *metadata*. Ids, tags and the other fields that values are searched by
    are stored as they are.

    Every promise of the port holds as before. The same value gives the same redacted
    value, so that a call may be repeated; under another policy than the first time, or
    none, it is a call with other content.

    Args:
        store: Where the values go; closed with this one.

        policy: What to leave out.

    Raises:
        ValidationError: If *store* or *policy* is something else.
    """

    def __init__(self, store: SessionStore, policy: RedactionPolicy) -> None:
        if not callable(getattr(store, "append_events", None)):
            raise fields.unexpected("store", "a SessionStore", store)
        self.behind: SessionStore = store
        """
        The store that it wraps.
        """
        self._store = store
        self._policy = fields.instance(policy, "policy", RedactionPolicy)

    async def aclose(self) -> None:
        """
        Close the store that it wraps.
        """
        await self._store.aclose()

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        return await self._store.append_events(
            [redacted(event, self._policy) for event, _, _ in batch],
            expected_sequence=expected_sequence,
            expected_tenant=expected_tenant,
        )

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        policy, session, created = self._policy, changes.session, changes.create_session
        save = changes.save
        items, removed = (save.items, save.removed) if save else ((), ())
        return await self._store.commit(
            Changes(
                session=session and redacted(session, policy),
                create_session=created and redacted(created, policy),
                runs=tuple(redacted(run, policy) for run in changes.runs),
                events=tuple(redacted(event, policy) for event, _, _ in changes.batch),
                items=tuple(redacted_item(item, policy) for item in items),
                removed_items=tuple(removed),
            ),
            **attrs.asdict(expected, recurse=False),
        )

    async def _retract(self, retraction: Retraction) -> list[Event]:
        return await self._store.retract_events(
            retraction.session_id,
            first=retraction.first,
            last=retraction.last,
            replacement=[redacted(e, self._policy) for e in retraction.replacement],
            expected_sequence=retraction.expected.expected_sequence,
            operation_id=retraction.expected.operation_id,
            expected_tenant=retraction.expected.expected_tenant,
        )

    async def _copy_session(self, copy: SessionCopy) -> Session:
        return await self._store.copy_session(
            copy.source_id,
            redacted(copy.target, self._policy),
            through=copy.through,
            scopes=copy.scopes,
            operation_id=copy.expected.operation_id,
            expected_tenant=copy.expected.expected_tenant,
        )

    # What is read is what is stored: all that follows is the inner store's.

    async def _get_session(
        self, session_id: str, expected_tenant: str | None
    ) -> Session:
        return await self._store.get_session(
            session_id, expected_tenant=expected_tenant
        )

    async def _list_sessions(self, wanted: SessionFilter) -> list[Session]:
        return await self._store.list_sessions(**_arguments(wanted))

    async def _delete_session(
        self, session_id: str, expected_tenant: str | None
    ) -> None:
        await self._store.delete_session(session_id, expected_tenant=expected_tenant)

    async def _get_run(self, run_id: str, expected_tenant: str | None) -> Run:
        return await self._store.get_run(run_id, expected_tenant=expected_tenant)

    async def _list_runs(self, session_id: str, wanted: RunFilter) -> list[Run]:
        return await self._store.list_runs(session_id, **_arguments(wanted))

    async def _get_active_run(
        self, session_id: str, expected_tenant: str | None
    ) -> Run | None:
        return await self._store.get_active_run(
            session_id, expected_tenant=expected_tenant
        )

    async def _get_events(self, session_id: str, wanted: EventFilter) -> list[Event]:
        return await self._store.get_events(session_id, **_arguments(wanted))

    async def _get_latest_sequence(
        self, session_id: str, expected_tenant: str | None
    ) -> int:
        return await self._store.get_latest_sequence(
            session_id, expected_tenant=expected_tenant
        )


def _arguments(wanted: SessionFilter | RunFilter | EventFilter) -> dict[str, Any]:
    return attrs.asdict(wanted, recurse=False)
