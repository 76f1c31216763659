"""
Whether items may be saved or deleted, by what is stored: the rules of all backends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol, TypeAlias

import attrs

from asm_async.errors import ConflictError, RevisionConflictError
from asm_async.values.state_item import StateItem, item_shown

Name: TypeAlias = tuple[str, str]
"""
An item's scope and key.
"""


@attrs.frozen(kw_only=True)
class KeyRange:
    """
    A range of keys, by code point.
    """

    first: str = ""
    """
    The first key of the range.
    """

    after: str | None = None
    """
    All keys of the range stand behind this one.
    """

    before: str | None = None
    """
    All keys of the range stand before this one.
    """

    def __contains__(self, key: str) -> bool:
        return (
            self.first <= key
            and (self.after is None or self.after < key)
            and (self.before is None or key < self.before)
        )


@attrs.frozen(kw_only=True)
class ItemsToSave:
    """
    What a ``save_items``, or a commit, is to do; nobody else holds the items.
    """

    items: tuple[StateItem, ...]
    texts: tuple[str | None, ...]
    """
    Their *data* as it is stored.
    """

    keep_existing: bool
    expected: Mapping[Name, int]
    operation_id: str
    is_repeatable: bool
    """
    Whether doing it twice is as good as once.
    """

    removed: Collection[Name] = ()
    """
    Items that a commit removes.
    """

    @property
    def scopes(self) -> set[str]:
        """
        The scopes of all items that it has anything to do with.
        """
        return {scope for scope, _ in (*self.names, *self.expected, *self.removed)}

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions that the items go with.
        """
        ids = {item.session_id for item in self.items}
        return {session_id for session_id in ids if session_id is not None}

    @property
    def names(self) -> list[Name]:
        """
        The scopes and keys of the items, in their order.
        """
        return [(item.scope, item.key) for item in self.items]


@attrs.frozen(kw_only=True)
class ItemsToDelete:
    """
    What one ``delete_items`` is to do.
    """

    scope: str
    keys: Collection[str]
    key_range: KeyRange | None
    expected: Mapping[Name, int]


@attrs.frozen
class StoredItem:
    """
    An item that is stored, as far as it was read.
    """

    revision: int
    operation_id: str
    """
    The operation that saved it last.
    """

    item: StateItem | None = None
    """
    The item itself; None where nobody asks for more than its revision.
    """


class StoredItems(Protocol):
    """
    What is stored of the items that a call concerns, and how that is changed.
    """

    def check_live(self, session_id: str) -> None:
        """
        Refuse a session that does not exist, or is soft-deleted.
        """
        ...

    def stored_item(self, name: Name) -> StoredItem | None:
        """
        Return the item of this name, if there is one.
        """
        ...

    def stored_keys(self, scope: str) -> Iterable[str]:
        """
        Return the keys of a scope, all those that a range to delete may hold.
        """
        ...

    def put_item(
        self, item: StateItem, text: str | None, operation_id: str
    ) -> StateItem:
        """
        Store *item* under a revision that no item ever had.
        """
        ...

    def remove_item(self, name: Name) -> None:
        """
        Remove an item that is stored.
        """
        ...


def save_items(stored: StoredItems, save: ItemsToSave) -> list[StateItem]:
    """
    Store items, or refuse them all.

    Raises:
        SessionNotFoundError: If an item's session does not exist.

        SessionDeletedError: If it is soft-deleted.

        RevisionConflictError: If an expectation is not met.

        ConflictError: If the operation has saved something else.
    """
    check_sessions(stored, save)
    if (before := saved_before(stored, save)) is not None:
        return before
    check_expected(stored, save.expected)
    return put_items(stored, save)


def check_sessions(
    stored: StoredItems, save: ItemsToSave, own_session: str | None = None
) -> None:
    """
    Refuse items of sessions that are not live; one's *own_session* is not looked at.

    Raises:
        SessionNotFoundError: If an item's session does not exist.

        SessionDeletedError: If it is soft-deleted.
    """
    for item in save.items:
        if item.session_id is not None and item.session_id != own_session:
            stored.check_live(item.session_id)


def put_items(stored: StoredItems, save: ItemsToSave) -> list[StateItem]:
    """
    Remove and store items that nothing refuses any more.
    """
    for name in save.removed:
        if stored.stored_item(name) is not None:
            stored.remove_item(name)
    saved: list[StateItem] = []
    for item, text in zip(save.items, save.texts, strict=True):
        there = stored.stored_item((item.scope, item.key))
        if save.keep_existing and there is not None:
            saved.append(_whole(there))
        else:
            saved.append(stored.put_item(item, text, save.operation_id))
    return saved


def delete_items(stored: StoredItems, deletion: ItemsToDelete) -> int:
    """
    Remove items, or none of them, and count them.

    Raises:
        RevisionConflictError: If an expectation is not met.
    """
    check_expected(stored, deletion.expected)
    unwanted = dict.fromkeys(deletion.keys)
    if (key_range := deletion.key_range) is not None:
        keys = stored.stored_keys(deletion.scope)
        unwanted |= dict.fromkeys(key for key in keys if key in key_range)
    names = [(deletion.scope, key) for key in unwanted]
    there = [name for name in names if stored.stored_item(name) is not None]
    for name in there:
        stored.remove_item(name)
    return len(there)


def saved_before(stored: StoredItems, save: ItemsToSave) -> list[StateItem] | None:
    """
    Return what is stored if this very operation has saved the items already.

    Raises:
        ConflictError: If it has saved something else.
    """
    there = [stored.stored_item(name) for name in save.names]
    ids = [None if each is None else each.operation_id for each in there]
    if save.operation_id not in ids:
        return None
    before: list[StateItem] = []
    for item, each in zip(save.items, there, strict=True):
        # Where others have saved since, it is for the caller to look at what is there.
        name = item.scope, item.key
        stored_item = _there(save, name, each)
        before.append(_whole(stored_item))
        is_own = stored_item.operation_id == save.operation_id
        if is_own and not before[-1].has_same_content(item):
            raise _other_items(save, name)
    return before


def _there(save: ItemsToSave, name: Name, stored: StoredItem | None) -> StoredItem:
    if stored is None:
        raise _other_items(save, name)
    return stored


def _other_items(save: ItemsToSave, name: Name) -> ConflictError:
    return ConflictError(
        f"operation_id: {save.operation_id!r} was used for a save without"
        f" {item_shown(name)}, or that item was deleted since; give each operation an"
        " id of its own"
    )


def stored_items(
    stored: StoredItems, save: ItemsToSave | None
) -> tuple[StateItem, ...]:
    """
    Return what is stored of the items of an operation that was done.

    Raises:
        ConflictError: If one is not there any more.
    """
    if save is None:
        return ()
    there = [(name, stored.stored_item(name)) for name in save.names]
    return tuple(_whole(_there(save, name, each)) for name, each in there)


def check_expected(stored: StoredItems, expected: Mapping[Name, int]) -> None:
    """
    Refuse items whose stored revisions are not the expected ones.

    Raises:
        RevisionConflictError: With the actual revision, 0 if nothing is stored.
    """
    for name, revision in expected.items():
        there = stored.stored_item(name)
        actual = 0 if there is None else there.revision
        if actual != revision:
            raise RevisionConflictError(item_shown(name), revision, actual)


def _whole(stored: StoredItem) -> StateItem:
    if stored.item is None:
        raise AssertionError("the item was not read")
    return stored.item
