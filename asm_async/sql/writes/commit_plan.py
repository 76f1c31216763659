"""
Which state items of a group are written at once, and commits of them, events and runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from asm_async.fronts.saving_items import ItemsToSave, Name
from asm_async.sql.dialects import direct
from asm_async.sql.dialects.direct import ItemBlock, ItemCheck, ItemRow
from asm_async.sql.writes.append_plan import AppendPlan, numbered
from asm_async.sql.writes.operations import Commit, Outcome, SaveItems, order_keys
from asm_async.values.changes import Committed


class CommitPlan:
    """
    The items that are saved, removed or looked at at once, each by one operation.

    The events and runs of commits are added to the appends.
    """

    def __init__(self, appends: AppendPlan) -> None:
        self._appends = appends
        self._rows: dict[Name, ItemRow] = {}
        self._checks: dict[Name, ItemCheck] = {}
        self._at = datetime.now(UTC)

    def add(self, operation: SaveItems | Commit, others: set[str]) -> bool:
        """
        Add the operation's items, events and runs, unless that calls for a closer look.

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
            saved_runs = operation.saved_runs
            is_added = self._appends.add_with_runs(operation, others, saved_runs)
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
        events = numbered(operation.events, numbers)
        runs = [
            run.with_given(written.saved_runs[run.id]) for run in operation.changes.runs
        ]
        return Committed(runs=tuple(runs), events=tuple(events), items=tuple(items))
