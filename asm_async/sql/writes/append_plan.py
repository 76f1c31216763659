"""
Appends: each as its caller wants it, and those of a group that are written at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import attrs

from asm_async.sql.core.rows import EVENT_COLUMNS, EventValues, leading_values
from asm_async.sql.dialects.direct import AppendBlock, SavedRow
from asm_async.values.event import Event

BASE_SIZE = 1_024
"""
Bytes that a value is taken for beside its JSON.
"""

_NO_RUNS: Mapping[str, int] = MappingProxyType({})

_ID, _SESSION_ID, _NUMBER = map(
    EVENT_COLUMNS.index, ("id", "session_id", "sequence_number")
)

EventTexts: TypeAlias = tuple[str, str]
"""
An event's *data* and *metadata* as they are stored.
"""


@attrs.define(eq=False)
class AppendEvents:
    """
    ``SessionStore.append_events``; nobody else holds the events.
    """

    events: Sequence[Event]
    expected_sequence: int | None
    texts: Sequence[EventTexts]
    expected_tenant: str | None = None
    new_event_count: int | None = None
    """
    How many of its events were not stored before; None where all were new.
    """

    @property
    def expected_runs(self) -> Mapping[str, int]:
        """
        The revisions that are expected of runs: none.
        """
        return _NO_RUNS

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts; the first, if there are several.
        """
        return self.events[0].session_id

    @property
    def size(self) -> int:
        """
        About how many bytes it sends.
        """
        return size_of_texts(self.texts)

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions whose rows are written.
        """
        return {event.session_id for event in self.events}

    @property
    def locks(self) -> set[str]:
        """
        What is to be locked: sessions.
        """
        return self.session_ids

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: events are deduplicated by id.
        """
        return True


class _Appending(Protocol):
    """
    What a group's plan asks of an operation that appends events, or saves runs.
    """

    @property
    def events(self) -> Sequence[Event]: ...

    @property
    def texts(self) -> Sequence[EventTexts]: ...

    @property
    def partition_key(self) -> str: ...

    @property
    def session_ids(self) -> set[str]: ...

    @property
    def expected_sequence(self) -> int | None: ...

    @property
    def expected_tenant(self) -> str | None: ...

    @property
    def expected_runs(self) -> Mapping[str, int]: ...


class AppendPlan:
    """
    The events that are appended at once, each behind those that came before it.

    Sessions and runs that are saved beside them are here, too: all of these concern
    the sessions' counters.
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._tenants: dict[str, str] = {}
        self._runs: dict[str, tuple[str, int]] = {}
        self._saved_sessions: dict[str, SavedRow] = {}
        self._saved_runs: dict[str, SavedRow] = {}
        self._rows: list[EventValues] = []

    def add(self, operation: _Appending, others: set[str]) -> bool:
        """
        Add the operation's events, unless that calls for a closer look.

        Args:
            operation: What is to be appended.

            others: What those that are not written at once lock.

        Returns:
            Whether it was added.
        """
        counts, expected = self._counts, operation.expected_sequence
        tenant = operation.expected_tenant
        runs = operation.expected_runs
        is_any = expected is None and tenant is None and not runs
        if len(operation.events) > 1 or others or not is_any:
            first, session_ids = operation.partition_key, operation.session_ids
            is_late = expected is not None and first in counts
            if tenant is not None:
                of_it = (self._tenants.get(id_, tenant) for id_ in session_ids)
                is_late |= any(other != tenant for other in of_it)
            for run_id, revision in runs.items():
                of_run = first, revision
                is_late |= self._runs.get(run_id, of_run) != of_run
            if is_late or not others.isdisjoint(session_ids):
                return False
            if expected is not None:
                self._expected[first] = expected
            for run_id, revision in runs.items():
                self._runs[run_id] = first, revision
            if tenant is not None:
                self._tenants |= dict.fromkeys(session_ids, tenant)
        for event, texts in zip(operation.events, operation.texts, strict=True):
            place = counts[event.session_id] = counts.get(event.session_id, 0) + 1
            self._rows.append((*leading_values(event), event.session_id, place, *texts))
        return True

    def add_with_rows(
        self,
        operation: _Appending,
        others: set[str],
        sessions: Mapping[str, SavedRow],
        runs: Mapping[str, SavedRow],
    ) -> bool:
        """
        Add the operation's events and what it saves, as :meth:`add` does.

        A run that one operation saves concerns none behind it: what is expected is
        looked at before anything is saved. A session may be new, and not there for
        those before it.
        """
        saved, of_runs = self._saved_runs, [*runs, *operation.expected_runs]
        is_late = not saved.keys().isdisjoint(of_runs)
        is_late |= not self._counts.keys().isdisjoint(sessions)
        if is_late or not self.add(operation, others):
            return False
        if sessions or runs:
            self._counts.setdefault(operation.partition_key, 0)
            self._saved_sessions.update(sessions)
            saved.update(runs)
        return True

    @property
    def has_twins(self) -> bool:
        """
        Whether an id comes twice in a session.
        """
        rows = self._rows
        # One alone has none, and many groups are of one.
        return len(rows) > 1 and len(
            {(row[_SESSION_ID], row[_ID]) for row in rows}
        ) < len(rows)

    @property
    def block(self) -> AppendBlock | None:
        """
        What is appended at once; None if there is nothing.
        """
        if not self._counts:
            return None
        return AppendBlock(
            counts=self._counts,
            expected=self._expected,
            tenants=self._tenants,
            runs=self._runs,
            saved_sessions=self._saved_sessions,
            saved_runs=self._saved_runs,
            rows=self._rows,
        )

    def numbers(self, latest: Mapping[str, int]) -> list[int]:
        """
        Return the numbers of the events, in the order in which they were added.

        Args:
            latest: The latest number of each session.
        """
        bases = {name: number - self._counts[name] for name, number in latest.items()}
        return [bases[row[_SESSION_ID]] + row[_NUMBER] for row in self._rows]


def numbered(events: Sequence[Event], numbers: Iterator[int]) -> list[Event]:
    """
    Return *events*, which nobody else holds, with the next of the numbers.
    """
    for event in events:
        event.take_number(next(numbers))
    return list(events)


def size_of_texts(texts: Sequence[EventTexts]) -> int:
    """
    Return about how many bytes events with such texts are.
    """
    payload = sum([len(data) + len(metadata) for data, metadata in texts])
    return payload + BASE_SIZE * len(texts)
