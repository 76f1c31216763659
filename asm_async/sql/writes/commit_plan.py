"""
Which state items of a group are written at once, and which commits.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from asm_async.fronts.saving_items import ItemsToSave, Name
from asm_async.sql.dialects import direct
from asm_async.sql.dialects.direct import ItemBlock, ItemCheck, ItemRow
from asm_async.sql.writes.append_plan import AppendPlan, numbered
from asm_async.sql.writes.operations import Commit, Operation, Outcome, SaveItems
from asm_async.values.changes import Committed


class CommitPlan:
    """
    The items that are saved, removed or looked at at once, each by one operation.

    What else commits store is added to the appends.
    """

    def __init__(self, appends: AppendPlan) -> None:
        self._appends = appends
        self._rows: dict[Name, ItemRow] = {}
        self._checks: dict[Name, ItemCheck] = {}
        self._at = datetime.now(UTC)

    def add(self, operation: SaveItems | Commit, others: set[str]) -> bool:
        """
        Add what the operation stores, unless that calls for a closer look.

        Args:
            operation: What is to be saved or committed.

            others: The order keys of those that are not written at once.

        Returns:
            Whether it was added.
        """
        if not operation.is_usual:
            return False
        if others and not others.isdisjoint(order_keys(operation)):
            return False
        save = operation.save
        if save is not None and not self._accepts(save):
            return False
        is_added = True
        if isinstance(operation, Commit) and operation.changes.session_id is not None:
            sessions, runs = operation.session_rows, operation.run_rows
            # What is new is not there for the items before it.
            is_late = bool(sessions) and not self._session_ids.isdisjoint(sessions)
            is_added = not is_late and self._appends.add_with_rows(
                operation, others, sessions, runs
            )
        if is_added and save is not None:
            self._add(save)
        return is_added

    def _accepts(self, save: ItemsToSave) -> bool:
        # One that keeps what is there has to be given it.
        is_kept = save.keep_existing and any(save.expected.values())
        names = {*save.names, *save.expected, *save.removed}
        is_alone = names.isdisjoint(self._rows) and names.isdisjoint(self._checks)
        return is_alone and not is_kept

    def _add(self, save: ItemsToSave) -> None:
        expected = dict(save.expected)
        default = 0 if save.keep_existing else None
        for name, item, text in zip(save.names, save.items, save.texts, strict=True):
            revision = expected.pop(name, default)
            self._rows[name] = ItemRow(item, text, revision, save.operation_id)
        for name in save.removed:
            revision = expected.pop(name, None)
            self._checks[name] = ItemCheck(name, revision, is_removed=True)
        for name, revision in expected.items():
            self._checks[name] = ItemCheck(name, revision, is_removed=False)

    @property
    def _session_ids(self) -> set[str | None]:
        return {row.item.session_id for row in self._rows.values()}

    @property
    def block(self) -> ItemBlock | None:
        """
        What is saved, removed and looked at; None if there is nothing.
        """
        if not self._rows and not self._checks:
            return None
        return ItemBlock(
            rows=list(self._rows.values()),
            checks=list(self._checks.values()),
            at=self._at,
        )

    def outcome(
        self,
        operation: SaveItems | Commit,
        numbers: Iterator[int],
        written: direct.Committed[Any],
    ) -> Outcome:
        """
        Return the outcome of an operation that was added.

        Args:
            operation: What was saved or committed.

            numbers: Those of its events come next.

            written: What was written at once: the new revisions.
        """
        save = operation.save
        items = [
            item.as_saved(written.revisions[item.scope, item.key], self._at)
            for item in (save.items if save is not None else ())
        ]
        if isinstance(operation, SaveItems):
            return items
        session = operation.changes.session
        if session is not None:
            revision = written.saved_sessions[session.id]
            session = session.with_given(revision, written.saved_at)
        runs = [
            run.with_given(written.saved_runs[run.id]) for run in operation.changes.runs
        ]
        return Committed(
            session=session,
            runs=tuple(runs),
            events=tuple(numbered(operation.events, numbers)),
            items=tuple(items),
        )


def order_keys(operation: Operation) -> set[str]:
    """
    Return what an operation has in common with those that it may not overtake.

    It is what they lock, and the runs that they save or expect something of: the id of
    one may be saved in several sessions. No lock has such a name.
    """
    runs = operation.run_ids if isinstance(operation, Commit) else ()
    return operation.locks.union(f"\0\0{run_id}" for run_id in runs)
