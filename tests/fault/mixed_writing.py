"""
A task's mixed work on sessions that others write to as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from random import Random
from typing import TypeAlias

from asm_async.errors import (
    RevisionConflictError,
    SequenceConflictError,
    StorageBusyError,
    StorageUnavailableError,
)
from asm_async.ports.session_store import SessionStore
from asm_async.testing.factories import (
    make_event,
    make_execution_result,
    make_run,
    make_session,
)
from asm_async.values.event import Event
from asm_async.values.run import Run
from asm_async.values.session import Session

__all__ = ["SESSIONS", "MixedWriter", "save_all"]

SESSIONS = [f"ses_{number}" for number in range(6)]

Work: TypeAlias = Callable[[], Awaitable[object]]


async def save_all(store: SessionStore, session_ids: Sequence[str]) -> None:
    """
    Save the sessions to be written to, with a run each.
    """
    for session_id in session_ids:
        await store.save_session(make_session(id=session_id))
        await store.save_run(make_run(id=f"run_{session_id}", session_id=session_id))


class MixedWriter:
    """
    Appends, batches, saves and flushes, with and without expectations, and some reads.

    Args:
        store: Where to write.

        name: What the ids of its events begin with; no other writer has it.

        session_ids: Sessions that :func:`save_all` has saved.

        random: Where all choices come from.
    """

    def __init__(
        self,
        store: SessionStore,
        name: str,
        session_ids: Sequence[str],
        random: Random,
    ) -> None:
        self._store = store
        self._name = name
        self._session_ids = session_ids
        self._random = random
        self._numbers = count(1)
        self._sequences: dict[str, int] = {}
        self._revisions: dict[str, int] = {}
        self._in_doubt: list[Event] = []
        self._works: dict[Work, int] = {
            self._append_one: 30,
            self._append_batch: 15,
            self._append_expecting: 15,
            self._append_again: 5,
            self._save_session: 8,
            self._save_run: 8,
            self._flush: 15,
            self._read: 4,
        }

    async def do_one(self) -> bool:
        """
        Do one piece of work; tell whether it was done, and not refused or in doubt.

        Whoever is refused an expectation learns where things stand, as one does.
        """
        [work] = self._random.choices([*self._works], [*self._works.values()])
        try:
            await work()
        except SequenceConflictError as error:
            self._sequences[error.session_id] = error.actual
        except RevisionConflictError as error:
            self._revisions[error.subject] = error.actual
        except (StorageUnavailableError, StorageBusyError):
            pass
        else:
            return True
        return False

    async def _append_one(self) -> None:
        event = self._new_event(self._any_session())
        if self._random.random() < 0.5:
            await self._store.append_event(event)
        else:
            self._learn([await self._store.append_event_with_sequence(event)])

    async def _append_batch(self) -> None:
        """
        Append to several sessions; what comes of it is asked again if it is in doubt.
        """
        size = self._random.randint(2, 8)
        self._in_doubt = [self._new_event(self._any_session()) for _ in range(size)]
        self._learn(await self._store.append_events(self._in_doubt))

    async def _append_expecting(self) -> None:
        session_id = self._any_session()
        size = self._random.randint(1, 3)
        events = [self._new_event(session_id) for _ in range(size)]
        expected = await self._known_sequence(session_id)
        self._learn(await self._store.append_events(events, expected_sequence=expected))

    async def _append_again(self) -> None:
        """
        Repeat the last batch, whose outcome may be unknown, with a new event behind it.
        """
        events = [*self._in_doubt, self._new_event(self._any_session())]
        self._learn(await self._store.append_events(events))

    async def _save_session(self) -> None:
        session = self._changed_session(self._any_session())
        expected = self._expectation(f"session {session.id!r}")
        saved = await self._store.save_session(session, expected_revision=expected)
        self._revisions[f"session {session.id!r}"] = saved.revision

    async def _save_run(self) -> None:
        run = self._changed_run(self._any_session())
        expected = self._expectation(f"run {run.id!r}")
        saved = await self._store.save_run(run, expected_revision=expected)
        self._revisions[f"run {run.id!r}"] = saved.revision

    async def _flush(self) -> None:
        session_id = self._any_session()
        run = self._changed_run(session_id)
        if self._random.random() < 0.5:
            run = make_run(id=f"run_{self._new_id()}", session_id=session_id)
        size = self._random.randint(0, 4)
        result = make_execution_result(
            session=self._changed_session(session_id),
            run=run,
            events=[self._new_event(session_id, run_id=run.id) for _ in range(size)],
        )
        expected = None
        if self._random.random() < 0.5:
            expected = await self._known_sequence(session_id)
        stored = await self._store.flush(result, expected_sequence=expected)
        self._learn(stored.events)

    async def _read(self) -> None:
        session_id = self._any_session()
        latest = await self._store.get_latest_sequence(session_id)
        await self._store.get_events(session_id, after=max(0, latest - 20))
        self._sequences[session_id] = latest

    def _any_session(self) -> str:
        return self._random.choice(self._session_ids)

    def _new_id(self) -> str:
        return f"{self._name}-{next(self._numbers)}"

    def _new_event(self, session_id: str, *, run_id: str | None = None) -> Event:
        id_ = self._new_id()
        return make_event(
            id=f"evt_{id_}", session_id=session_id, run_id=run_id, data={"is": id_}
        )

    def _changed_session(self, session_id: str) -> Session:
        return make_session(id=session_id, metadata={"is": self._new_id()})

    def _changed_run(self, session_id: str) -> Run:
        metadata = {"is": self._new_id()}
        return make_run(
            id=f"run_{session_id}", session_id=session_id, metadata=metadata
        )

    def _expectation(self, subject: str) -> int | None:
        """
        Expect the revision seen last, every other time.
        """
        return self._random.choice([None, self._revisions.get(subject, 1)])

    async def _known_sequence(self, session_id: str) -> int:
        """
        Return the number seen last, or, as often, one that is just read.
        """
        if session_id not in self._sequences or self._random.random() < 0.5:
            latest = await self._store.get_latest_sequence(session_id)
            self._sequences[session_id] = latest
        return self._sequences[session_id]

    def _learn(self, events: Sequence[Event]) -> None:
        for event in events:
            self._sequences[event.session_id] = event.sequence_number
