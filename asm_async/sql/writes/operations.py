"""
What callers want written, as values: so that several can share one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import attrs

from asm_async.errors import ASMError, RevisionConflictError
from asm_async.fronts.expectations import Expectations
from asm_async.fronts.retracting import Retraction
from asm_async.fronts.saving_items import ItemsToDelete, ItemsToSave
from asm_async.fronts.snapshots import ChangesSnapshot
from asm_async.sql.core.saved_rows import SAVED_RUNS, SAVED_SESSIONS
from asm_async.sql.dialects.direct import SavedRow, scope_lock
from asm_async.sql.writes.append_plan import (
    BASE_SIZE,
    AppendEvents,
    EventTexts,
    size_of_texts,
)
from asm_async.values.changes import Committed
from asm_async.values.event import Event
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

_NO_ROWS: Mapping[str, SavedRow] = MappingProxyType({})


@attrs.define(eq=False)
class Commit:
    """
    ``SessionStore.commit`` and its cases; nobody else holds the values.
    """

    changes: ChangesSnapshot
    expected: Expectations
    events: Sequence[Event]
    texts: Sequence[EventTexts]
    new_event_count: int | None = None
    """
    How many of its events were not stored before; None where all were new.
    """

    session_rows: Mapping[str, SavedRow] = _NO_ROWS
    """
    The session that is saved, or may be, if there is one, by its id.
    """

    run_rows: Mapping[str, SavedRow] = _NO_ROWS
    """
    The runs that are saved, by id.
    """

    def __attrs_post_init__(self) -> None:
        session, runs, expected = self.saved_session, self.changes.runs, self.expected
        operation_id = expected.operation_id
        if session is not None:
            values = SAVED_SESSIONS.values(session, operation_id)
            row = SavedRow(values, expected.expected_revision)
            self.session_rows = {session.id: row}
        if runs:
            of_runs = expected.of_runs
            self.run_rows = {
                run.id: SavedRow(
                    SAVED_RUNS.values(run, operation_id), of_runs.get(run.id)
                )
                for run in runs
            }

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts, or the first scope if there is none.
        """
        changes = self.changes
        return changes.session_id or min(self._scope_locks)

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions whose rows are written, or must be live.
        """
        items = () if self.changes.save is None else self.changes.save.items
        ids = {self.changes.session_id, *(item.session_id for item in items)}
        return {session_id for session_id in ids if session_id is not None}

    @property
    def locks(self) -> set[str]:
        """
        What is to be locked: sessions and scopes.
        """
        return self.session_ids | self._scope_locks

    @property
    def is_usual(self) -> bool:
        """
        Whether what is stored need not be looked at first, as far as can be seen here.

        Artifacts have to be, and a session that is saved only if there is none.
        Items of other sessions than that of the events are looked at where these have
        to be of one tenant.
        """
        items: set[str] = set() if self.save is None else self.save.session_ids
        if self.expected_tenant is not None and items - {self.changes.session_id}:
            return False
        changes = self.changes
        of_items = self.save is not None and self.save.items
        is_stored = self.events or changes.session or changes.runs or of_items
        is_looked_at = changes.create_session or changes.artifacts
        return bool(is_stored) and not is_looked_at

    @property
    def save(self) -> ItemsToSave | None:
        """
        What is done to state items, if there is anything.
        """
        return self.changes.save

    @property
    def expected_sequence(self) -> int | None:
        """
        The latest number that its session must have; None for any.
        """
        return self.expected.expected_sequence

    @property
    def expected_tenant(self) -> str | None:
        """
        The tenant that its session must have; None for any.
        """
        return self.expected.expected_tenant

    @property
    def expected_runs(self) -> Mapping[str, int]:
        """
        The revisions that are expected of runs that are not saved, by id.
        """
        expected = self.expected.of_runs
        for run in self.changes.runs:
            expected.pop(run.id, None)
        return expected

    @property
    def _scope_locks(self) -> set[str]:
        save = self.changes.save
        return set() if save is None else set(map(scope_lock, save.scopes))

    @property
    def saved_session(self) -> Session | None:
        """
        The session that is saved, or may be.
        """
        return self.changes.session or self.changes.create_session

    @property
    def run_ids(self) -> set[str]:
        """
        The runs that are saved, or of which a revision is expected.
        """
        return {run.id for run in self.changes.runs}.union(self.expected.of_runs)

    @property
    def size(self) -> int:
        """
        About how many bytes it sends.
        """
        changes = self.changes
        payload = 0 if changes.save is None else _size_of_items(changes.save)
        values = len(self.session_rows) + len(self.run_rows) + len(changes.artifacts)
        for row in self.session_rows.values():
            payload += SAVED_SESSIONS.size_of(row.values)
        for row in self.run_rows.values():
            payload += SAVED_RUNS.size_of(row.values)
        return BASE_SIZE * values + size_of_texts(self.texts) + payload

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once.

        It is where no value is saved that may be there, or a revision is expected of
        one that is, or the events stand behind an expected number. Otherwise the second
        time could undo what another wrote in between.
        """
        changes, expected = self.changes, self.expected
        save = changes.save
        items = () if save is None else (*save.names, *save.removed)
        written = {*(run.id for run in changes.runs), *items}
        return (
            not changes.may_replace
            or expected.expected_revision is not None
            or not written.isdisjoint(expected.expected_revisions)
            or (expected.expected_sequence is not None and bool(self.events))
        )


@attrs.define(eq=False)
class RetractEvents:
    """
    ``SessionStore.retract_events``; nobody else holds the replacement.
    """

    retraction: Retraction
    new_event_count: int | None = None
    """
    How many of its events were not stored before; None where all were new.
    """

    @property
    def events(self) -> Sequence[Event]:
        """
        What stands in the place of what is hidden.
        """
        return self.retraction.replacement

    @property
    def partition_key(self) -> str:
        """
        The session whose order counts.
        """
        return self.retraction.session_id

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions whose rows are written.
        """
        return {self.retraction.session_id}

    @property
    def locks(self) -> set[str]:
        """
        What is to be locked: the session.
        """
        return self.session_ids

    @property
    def size(self) -> int:
        """
        About how many bytes it sends.
        """
        return BASE_SIZE + size_of_texts(self.retraction.texts)

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: it is known by its operation's id.
        """
        return True


@attrs.define(eq=False)
class SaveItems:
    """
    ``StateStore.save_items``, of one item or expectation at least.
    """

    save: ItemsToSave

    @property
    def is_usual(self) -> bool:
        """
        Whether something is saved, and not only looked at.
        """
        return bool(self.save.items)

    @property
    def partition_key(self) -> str:
        """
        The scope whose order counts; the first, if there are several.
        """
        (scope, _), *_ = [*self.save.names, *self.save.expected]
        return scope_lock(scope)

    @property
    def size(self) -> int:
        """
        About how many bytes it sends.
        """
        return _size_of_items(self.save)

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions that must be live.
        """
        return self.save.session_ids

    @property
    def locks(self) -> set[str]:
        """
        What is to be locked: sessions and scopes.
        """
        return self.session_ids.union(map(scope_lock, self.save.scopes))

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once.
        """
        return self.save.is_repeatable


@attrs.define(eq=False)
class DeleteItems:
    """
    ``StateStore.delete_items``.
    """

    deletion: ItemsToDelete
    size: int = BASE_SIZE

    @property
    def partition_key(self) -> str:
        """
        The scope whose order counts.
        """
        return scope_lock(self.deletion.scope)

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions that must be live: none.
        """
        return set()

    @property
    def locks(self) -> set[str]:
        """
        What is to be locked: the scope.
        """
        return {self.partition_key}

    @property
    def is_repeatable(self) -> bool:
        """
        Whether doing it twice is as good as once: everything has an expectation.

        Without that, the second time could remove what another has saved in between.
        """
        deletion = self.deletion
        names = {(deletion.scope, key) for key in deletion.keys}
        return deletion.key_range is None and names <= deletion.expected.keys()


Operation: TypeAlias = AppendEvents | Commit | RetractEvents | SaveItems | DeleteItems

Outcome: TypeAlias = list[Event] | Committed | list[StateItem] | int | ASMError
"""
What became of an operation: what is stored, or why it was refused.
"""


def may_hide_a_commit(operation: Operation, outcome: Outcome) -> bool:
    """
    Return whether an operation that is refused so may have been done all the same.

    A try whose answer was lost may have been committed, and others have saved since, or
    removed what it saved. Where another's is the next revision it was not. Revisions of
    items leave gaps, so that theirs say nothing.
    """
    of_items = isinstance(operation, SaveItems | DeleteItems)
    if of_items or (isinstance(operation, Commit) and operation.changes.save):
        return isinstance(outcome, ASMError)
    if not isinstance(outcome, RevisionConflictError):
        return False
    is_gone = outcome.actual == 0 < outcome.expected
    return is_gone or outcome.actual > outcome.expected + 1


@attrs.frozen(kw_only=True)
class Written:
    """
    What became of a group of operations.
    """

    outcomes: list[Outcome]
    """
    The outcomes, in the order of the operations.
    """

    first_position: int | None = None
    """
    The place in the feed of the first event, behind which the others stand one by one;
    None where only reading tells.
    """


def _size_of_items(save: ItemsToSave) -> int:
    payload = sum([len(text or "") for text in save.texts])
    payload += sum([len(item.content or b"") for item in save.items])
    return payload + BASE_SIZE * (len(save.items) or 1)
