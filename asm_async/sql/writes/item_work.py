"""
What a group of operations sees and changes of state items: read, decided, written.

It works within an open transaction that has locked the items' scopes and sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

import sqlalchemy as sa

from asm_async.errors import ConflictError
from asm_async.fronts.saving_items import (
    ItemsToDelete,
    ItemsToSave,
    KeyRange,
    Name,
    StoredItem,
)
from asm_async.sql.core import rows
from asm_async.sql.core.column_types import as_stored, text
from asm_async.sql.core.prepared import Prepared, Row, Script, Step, prepare
from asm_async.sql.core.tables import state_items
from asm_async.sql.dialects import Dialect
from asm_async.values.fields import MAX_COUNT
from asm_async.values.state_item import StateItem

_HEAD = (
    state_items.c.scope,
    state_items.c.key,
    state_items.c.revision,
    state_items.c.operation_id,
)


class ItemWork:
    """
    The stored items that a group's operations concern, and how they change them.

    Args:
        check_live: Refuses a session that does not exist, or is soft-deleted.

        stored: The items that are stored, by their names.

        revisions: Some that no item ever had, one for each that may be saved.
    """

    def __init__(
        self,
        check_live: Callable[[str], None],
        stored: dict[Name, StoredItem] | None = None,
        revisions: Iterable[int] = (),
    ) -> None:
        self._check_live = check_live
        self._stored = {} if stored is None else stored
        self._revisions = iter(revisions)
        self._known: set[Name] = set(self._stored)
        self._changed: dict[Name, str | None] = {}
        """
        The texts of those that are saved, and the names of those that are removed.
        """
        self._last: tuple[StateItem, str | None, str] | None = None
        """
        What was saved last, with its text and its operation.
        """

    def check_live(self, session_id: str) -> None:
        """
        Refuse a session that does not exist, or is soft-deleted.
        """
        self._check_live(session_id)

    def stored_item(self, name: Name) -> StoredItem | None:
        """
        Return the item of this name, if there is one.
        """
        return self._stored.get(name)

    def stored_keys(self, scope: str) -> list[str]:
        """
        Return the keys of a scope, as far as the operations concern them.
        """
        return [key for of_scope, key in self._stored if of_scope == scope]

    def put_item(
        self, item: StateItem, text: str | None, operation_id: str
    ) -> StateItem:
        """
        Store *item* under a revision that no item ever had.

        Raises:
            ConflictError: If there is none any more.
        """
        revision = next(self._revisions)
        if revision > MAX_COUNT:
            raise ConflictError("the last revision of state items, 2**53 - 1, is used")
        stored = item.as_saved(revision, datetime.now(UTC))
        name = item.scope, item.key
        self._stored[name] = StoredItem(revision, operation_id, stored)
        self._changed[name] = text
        self._last = stored, text, operation_id
        return stored

    def remove_item(self, name: Name) -> None:
        """
        Remove an item that is stored.
        """
        del self._stored[name]
        self._changed[name] = None

    def changes(self, dialect: Dialect) -> Iterator[Step]:
        """
        Return the steps that write what was changed, one after the other.

        What is replaced is deleted first: so it makes no difference whether the removal
        of the session that it had, which has another lock, was faster.
        """
        gone: dict[str, list[str]] = {}
        for scope, key in sorted(self._changed.keys() & self._known):
            gone.setdefault(scope, []).append(key)
        for scope, keys in gone.items():
            yield _deleting(dialect).one(
                {"scope": scope, "keys": dialect.list_value(keys)}
            )
        yield from self._use_up(dialect)
        saved = [
            rows.stored_item_row(stored.item, self._changed[name], stored.operation_id)
            for name in sorted(self._changed)
            if (stored := self._stored.get(name)) is not None
            and stored.item is not None
        ]
        if saved:
            yield _inserting(dialect).many(saved)

    def _use_up(self, dialect: Dialect) -> Iterator[Step]:
        """
        Have the last revision never given again, though its item was removed since.

        Its caller was told of it. SQLite counts from what was ever inserted.
        """
        if self._last is None:
            return
        item, text, operation_id = self._last
        if (item.scope, item.key) not in self._stored:
            row = rows.stored_item_row(item, text, operation_id)
            yield _inserting(dialect).many([row])
            keys = dialect.list_value([item.key])
            yield _deleting(dialect).one({"scope": item.scope, "keys": keys})


def load_items(
    dialect: Dialect,
    saves: Sequence[ItemsToSave],
    deletions: Sequence[ItemsToDelete],
    check_live: Callable[[str], None],
    *,
    repeated: Collection[str | None] = (),
) -> Script[ItemWork]:
    """
    Read all that saves and deletions concern, of most items no more than the revision.

    Args:
        dialect: Whose text the statements have.

        saves: What is to be saved; scopes and sessions are locked already.

        deletions: What is to be deleted.

        check_live: Refuses a session that is not live, as it is when asked.

        repeated: The ids of operations that may have been done already, by other values
            than items, or by events.
    """
    wanted: list[Name] = []
    for save in saves:
        wanted += (*save.names, *save.expected, *save.removed)
    for deletion in deletions:
        wanted += [(deletion.scope, key) for key in deletion.keys]
        wanted += deletion.expected
    heads = yield from _load_named(dialect, wanted)
    for deletion in deletions:
        if deletion.key_range is not None:
            heads |= yield from _load_range(dialect, deletion.scope, deletion.key_range)
    looked_at = [
        name
        for save in saves
        for name in save.names
        if (head := heads.get(name)) is not None
        and (save.keep_existing or save.operation_id in {head.operation_id, *repeated})
    ]
    # Of a save that was done before, also those that others have saved since.
    if looked_at:
        names = {name for save in saves for name in save.names}
        whole = yield from _load_whole(dialect, names & heads.keys())
        heads |= whole
    number = sum(len(save.items) for save in saves)
    found = (yield dialect.direct.new_revisions(number)) if number else ()
    revisions = [revision for (revision,) in found]
    return ItemWork(check_live, heads, revisions)


def _load_named(
    dialect: Dialect, names: Collection[Name]
) -> Script[dict[Name, StoredItem]]:
    if not names:
        return {}
    query = _heads(dialect)
    return _heads_of(query.read((yield query.one(_parameters(dialect, names)))))


def _load_range(
    dialect: Dialect, scope: str, key_range: KeyRange
) -> Script[dict[Name, StoredItem]]:
    query = _heads_in_range(dialect, has_end=key_range.before is not None)
    step = query.one(
        {"scope": scope, "first": key_range.first, "before": key_range.before}
    )
    return _heads_of(query.read((yield step)))


def _load_whole(
    dialect: Dialect, names: Collection[Name]
) -> Script[dict[Name, StoredItem]]:
    query = _whole(dialect)
    found = query.read((yield query.one(_parameters(dialect, names))))
    whole: dict[Name, StoredItem] = {}
    for row in found:
        item = rows.item_of(row)
        whole[item.scope, item.key] = StoredItem(item.revision, row[-1], item)
    return whole


def _heads_of(found: Iterable[Row]) -> dict[Name, StoredItem]:
    return {
        (scope, key): StoredItem(revision, operation_id)
        for scope, key, revision, operation_id in found
    }


def _parameters(dialect: Dialect, names: Collection[Name]) -> dict[str, object]:
    # Together they may name an item that nobody asks for, which does no harm.
    return {
        "scopes": dialect.list_value({scope for scope, _ in names}),
        "keys": dialect.list_value({key for _, key in names}),
    }


# Each is compiled once for each database.


def _are_named(dialect: Dialect) -> sa.ColumnElement[bool]:
    return sa.and_(
        dialect.is_one_of_parameter(state_items.c.scope, "scopes"),
        dialect.is_one_of_parameter(state_items.c.key, "keys"),
    )


@cache
def _heads(dialect: Dialect) -> Prepared:
    query = sa.select(*_HEAD).where(_are_named(dialect))
    return prepare(dialect.locked(_in_order(query)), dialect.compiler)


@cache
def _heads_in_range(dialect: Dialect, *, has_end: bool) -> Prepared:
    key = state_items.c.key
    query = sa.select(*_HEAD).where(
        state_items.c.scope == sa.bindparam("scope", type_=text()),
        key >= sa.bindparam("first", type_=text(1_024)),
    )
    if has_end:
        query = query.where(key < sa.bindparam("before", type_=text(1_024)))
    return prepare(dialect.locked(_in_order(query)), dialect.compiler)


def _in_order(
    query: sa.Select[*tuple[str, str, int, str]],
) -> sa.Select[*tuple[str, str, int, str]]:
    # One order for all who lock rows, or they could wait for each other.
    return query.order_by(state_items.c.scope, state_items.c.key)


@cache
def _whole(dialect: Dialect) -> Prepared:
    query = sa.select(state_items).where(_are_named(dialect))
    return prepare(query, dialect.compiler)


@cache
def _deleting(dialect: Dialect) -> Prepared:
    delete = sa.delete(state_items).where(
        state_items.c.scope == sa.bindparam("scope", type_=text()),
        dialect.is_one_of_parameter(state_items.c.key, "keys"),
    )
    return prepare(delete, dialect.compiler)


@cache
def _inserting(dialect: Dialect) -> Prepared:
    values = {column: as_stored(column) for column in state_items.c}
    return prepare(sa.insert(state_items).values(values), dialect.compiler)
