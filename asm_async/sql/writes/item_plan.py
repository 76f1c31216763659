"""
Which saves of state items in a group are usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from asm_async.fronts.saving_items import Name
from asm_async.sql.dialects.direct import ItemBlock, ItemRow
from asm_async.sql.writes.operations import Operation, Outcome, SaveItems


@attrs.define
class ItemPlan:
    """
    The items that are saved at once: those that nobody else in the group saves.
    """

    _rows: dict[Name, ItemRow] = attrs.field(init=False, factory=dict[Name, ItemRow])
    _at: datetime = attrs.field(init=False, factory=lambda: datetime.now(UTC))

    def add(self, operation: SaveItems, others: set[str]) -> bool:
        """
        Add the operation's items, unless that calls for a closer look.

        Args:
            operation: What is to be saved.

            others: What those that are not written at once lock.

        Returns:
            Whether it was added.
        """
        save, names = operation.save, set(operation.save.names)
        # A call that may have been done before is known by the expectations that it
        # does not meet any more. One that keeps an item has to be given it.
        is_told_apart = save.is_repeatable or not save.may_be_repetition
        is_kept = save.keep_existing and any(save.expected.values())
        is_alone = names.isdisjoint(self._rows) and others.isdisjoint(operation.locks)
        if is_kept or not (
            is_told_apart and is_alone and save.expected.keys() <= names
        ):
            return False
        default = 0 if save.keep_existing else None
        for name, item, text in zip(save.names, save.items, save.texts, strict=True):
            expected = save.expected.get(name, default)
            self._rows[name] = ItemRow(item, text, expected, save.operation_id)
        return True

    @property
    def block(self) -> ItemBlock | None:
        """
        What is saved at once; None if there is nothing.
        """
        return (
            ItemBlock(rows=list(self._rows.values()), at=self._at)
            if self._rows
            else None
        )

    def saved(self, operation: Operation, revisions: Mapping[Name, int]) -> Outcome:
        """
        Return the outcome of a usual operation.
        """
        items = operation.save.items if isinstance(operation, SaveItems) else ()
        return [
            item.as_saved(revisions[item.scope, item.key], self._at) for item in items
        ]
