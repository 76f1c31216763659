"""
Stores from which one safeguard is taken out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs

from asm_async.fronts.expectations import Expectations
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.memory import InMemoryDatabase, InMemorySessionStore
from asm_async.values.changes import Committed
from asm_async.values.event import Event, EventSnapshot

__all__ = [
    "BufferingStore",
    "ForgetfulStore",
    "HalfwayStore",
    "LastWriterStore",
    "OneByOneStore",
    "RacingStore",
    "ReservingStore",
    "UnexpectingStore",
]


class RacingStore(InMemorySessionStore):
    """
    Reads the latest number and gives the next ones without holding on to it.
    """

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Number events by a latest number that is no longer true.
        """
        if expected_sequence is not None:
            return await super()._append(batch, expected_sequence, expected_tenant)
        numbered: list[Event] = []
        for event, _, _ in batch:
            latest = self._access.database.latest(event.session_id)
            await asyncio.sleep(0)
            numbered.append(
                attrs.evolve(event, sequence_number=latest + 1 + len(numbered))
            )
        self._access.database.put_events(numbered)
        return numbered


class ForgetfulStore(InMemorySessionStore):
    """
    Numbers each event, also one that is stored already.
    """

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Return every event the next number.
        """
        if expected_sequence is not None:
            return await super()._append(batch, expected_sequence, expected_tenant)
        numbered: list[Event] = []
        for event, _, _ in batch:
            known = self._access.database.stored_event(event.session_id, event.id)
            if known is None:
                number = self._access.database.latest(event.session_id) + 1
            else:
                number = known.sequence_number + 1
            numbered.append(attrs.evolve(event, sequence_number=number))
            self._access.database.put_events(numbered[-1:])
        return numbered


class UnexpectingStore(InMemorySessionStore):
    """
    Takes expectations and does not look at them.
    """

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,  # noqa: ARG002 - that is what is broken
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Append, whatever was expected.
        """
        return await super()._append(batch, None, expected_tenant)


class LastWriterStore(InMemorySessionStore):
    """
    Takes expectations of a revision and does not look at them.
    """

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        """
        Save, whatever was expected.
        """
        anything = attrs.evolve(expected, expected_revision=None)
        return await super()._commit(changes, anything)


class OneByOneStore(InMemorySessionStore):
    """
    Appends a batch event by event.
    """

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Let others come between the events of a batch.
        """
        stored: list[Event] = []
        for snapshot in batch:
            stored += await super()._append(
                [snapshot], expected_sequence, expected_tenant
            )
            expected_sequence = None
            await asyncio.sleep(0)
        return stored


class HalfwayStore(InMemorySessionStore):
    """
    Flushes in two transactions.
    """

    async def _commit(
        self, changes: ChangesSnapshot, expected: Expectations
    ) -> Committed:
        """
        Save session and run, then append the events.
        """
        if not changes.batch:
            return await super()._commit(changes, expected)
        values = attrs.evolve(changes, batch=())
        committed = await super()._commit(values, Expectations())
        await asyncio.sleep(0)
        events = await self._append(
            changes.batch, expected.expected_sequence, expected.expected_tenant
        )
        return attrs.evolve(committed, events=tuple(events))


class BufferingStore(InMemorySessionStore):
    """
    Acknowledges before it stores, and dies before it stores the fourth batch.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(database)
        self._batches = 0

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Acknowledge what only this process knows.
        """
        self._batches += 1
        if self._batches < 4:
            return await super()._append(batch, expected_sequence, expected_tenant)
        latest = self._access.database.latest(batch[0][0].session_id)
        return [
            attrs.evolve(event, sequence_number=number)
            for number, (event, _, _) in enumerate(batch, start=latest + 1)
        ]


class ReservingStore(InMemorySessionStore):
    """
    Reserves the next four numbers for itself, as sequences with a cache do.
    """

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(database)
        self._reserved: list[int] = []

    async def _append(
        self,
        batch: Sequence[EventSnapshot],
        expected_sequence: int | None,
        expected_tenant: str | None,
    ) -> list[Event]:
        """
        Number events by what was reserved when others may not have begun.
        """
        if expected_sequence is not None:
            return await super()._append(batch, expected_sequence, expected_tenant)
        numbered: list[Event] = []
        for event, _, _ in batch:
            session_id = event.session_id
            if known := self._access.database.stored_event(session_id, event.id):
                numbered.append(known)
                continue
            if not self._reserved:
                gate = self._access.database.gates[session_id]
                self._reserved = list(range(gate.latest + 1, gate.latest + 5))
                gate.latest += 4
            number = self._reserved.pop(0)
            numbered.append(attrs.evolve(event, sequence_number=number))
            self._access.database.events[session_id][event.id] = numbered[-1]
        return numbered
