"""
The front of a state store: what every call checks before anything is read or written.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.expectations import checked_tenant
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.saving_items import (
    ItemsToDelete,
    ItemsToSave,
    KeyRange,
    Name,
)
from asm_async.ports.state_store import (
    MAX_SCOPES_PER_CALL,
    NO_REVISIONS,
    NOTHING_EXPECTED,
    StateStore,
)
from asm_async.values import fields
from asm_async.values.ids import new_operation_id
from asm_async.values.state_item import StateItem, item_key, item_name, key_prefix

_LAST_CHARACTER = chr(0x10FFFF)
_SURROGATES = range(0xD800, 0xE000)


@attrs.frozen(kw_only=True)
class ItemFilter:
    """
    Which of a scope's items to list, and how.
    """

    key_range: KeyRange
    descending: bool
    limit: int | None
    with_content: bool


@attrs.frozen(kw_only=True)
class SessionItemFilter:
    """
    Which of a session's items to list, and how.
    """

    session_id: str
    scope: str | None
    key_range: KeyRange
    after: Name | None
    limit: int | None
    with_content: bool
    expected_tenant: str | None


@observed
class StateStoreFront(StateStore):
    """
    A state store in front of a backend, which implements the methods marked abstract.

    A backend is given arguments in their normal form; the items to save are copies.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    async def save_items(
        self,
        items: Sequence[StateItem],
        *,
        keep_existing: bool = False,
        expected_revisions: Mapping[tuple[str, str], int] = NOTHING_EXPECTED,
        operation_id: str | None = None,
    ) -> list[StateItem]:
        save = checked_save(
            items,
            "items",
            keep_existing=fields.boolean(keep_existing, "keep_existing"),
            expected=checked_expectations(expected_revisions),
            operation_id=fields.optional(operation_id, "operation_id", fields.text),
        )
        check_number_of_scopes(save)
        return await self._save_items(save)

    async def get_items(
        self, scope: str, keys: Collection[str]
    ) -> dict[str, StateItem]:
        scope = fields.text(scope, "scope")
        wanted = dict.fromkeys(fields.tuple_of(keys, "keys", item_key))
        found = await self._get_items(scope, tuple(wanted))
        by_key = {item.key: item for item in found}
        return {key: by_key[key] for key in wanted if key in by_key}

    async def list_items(
        self,
        scope: str,
        *,
        prefix: str = "",
        after: str | None = None,
        before: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        with_content: bool = True,
    ) -> list[StateItem]:
        scope = fields.text(scope, "scope")
        after = fields.optional(after, "after", item_key)
        before = fields.optional(before, "before", item_key)
        of_prefix = _beginning_with(key_prefix(prefix, "prefix"))
        ends = [end for end in (before, of_prefix.before) if end is not None]
        wanted = ItemFilter(
            key_range=attrs.evolve(
                of_prefix, after=after, before=min(ends, default=None)
            ),
            descending=fields.boolean(descending, "descending"),
            limit=fields.optional(limit, "limit", fields.count),
            with_content=fields.boolean(with_content, "with_content"),
        )
        return await self._list_items(scope, wanted)

    async def list_session_items(
        self,
        session_id: str,
        *,
        scope: str | None = None,
        prefix: str = "",
        after: tuple[str, str] | None = None,
        limit: int | None = None,
        with_content: bool = True,
        expected_tenant: str | None = None,
    ) -> list[StateItem]:
        wanted = SessionItemFilter(
            session_id=fields.text(session_id, "session_id"),
            scope=fields.optional(scope, "scope", fields.text),
            key_range=_beginning_with(key_prefix(prefix, "prefix")),
            after=fields.optional(after, "after", item_name),
            limit=fields.optional(limit, "limit", fields.count),
            with_content=fields.boolean(with_content, "with_content"),
            expected_tenant=checked_tenant(expected_tenant),
        )
        return await self._list_session_items(wanted)

    async def delete_items(
        self,
        scope: str,
        *,
        keys: Collection[str] = (),
        prefix: str | None = None,
        expected_revisions: Mapping[str, int] = NO_REVISIONS,
    ) -> int:
        scope = fields.text(scope, "scope")
        expected = fields.mapping_of(
            expected_revisions, "expected_revisions", item_key, fields.count
        )
        beginning = fields.optional(prefix, "prefix", key_prefix)
        deletion = ItemsToDelete(
            scope=scope,
            keys=frozenset(fields.tuple_of(keys, "keys", item_key)),
            key_range=None if beginning is None else _beginning_with(beginning),
            expected={(scope, key): number for key, number in expected.items()},
        )
        return await self._delete_items(deletion)

    async def delete_scope(self, scope: str) -> None:
        await self._delete_scope(fields.text(scope, "scope"))

    @abstractmethod
    async def _save_items(self, save: ItemsToSave) -> list[StateItem]: ...

    @abstractmethod
    async def _get_items(self, scope: str, keys: Collection[str]) -> list[StateItem]:
        """
        Return the items of these keys, of which there may be none, in any order.
        """

    @abstractmethod
    async def _list_items(self, scope: str, wanted: ItemFilter) -> list[StateItem]: ...

    @abstractmethod
    async def _list_session_items(
        self, wanted: SessionItemFilter
    ) -> list[StateItem]: ...

    @abstractmethod
    async def _delete_items(self, deletion: ItemsToDelete) -> int: ...

    @abstractmethod
    async def _delete_scope(self, scope: str) -> None: ...


def checked_save(
    items: object,
    name: str,
    *,
    keep_existing: bool,
    expected: Mapping[Name, int],
    operation_id: str | None,
    removed: Collection[Name] = (),
) -> ItemsToSave:
    """
    Make what a backend is to save of *items*, which nobody else holds then.

    Raises:
        ValidationError: If one is no item, or stands twice.
    """
    snapshots = fields.tuple_of(items, name, _snapshot)
    copies = tuple(item for item, _ in snapshots)
    names: dict[Name, int] = {}
    for index, item in enumerate(copies):
        first = names.setdefault((item.scope, item.key), index)
        if first != index:
            raise ValidationError(
                f"{name}[{index}]: {item.key!r} of scope {item.scope!r} is in"
                f" {name}[{first}] too; one call saves an item once"
            )
    return ItemsToSave(
        items=copies,
        texts=tuple(text for _, text in snapshots),
        keep_existing=keep_existing,
        expected=expected,
        removed=removed,
        operation_id=operation_id or new_operation_id(),
        # Without that, the second time could undo what another wrote in between.
        is_repeatable=keep_existing or names.keys() <= expected.keys(),
    )


def checked_expectations(expected_revisions: object) -> dict[Name, int]:
    """
    Accept a mapping of scopes and keys to revisions, and copy it.
    """
    return fields.mapping_of(
        expected_revisions, "expected_revisions", item_name, fields.count
    )


def _snapshot(value: object, name: str) -> tuple[StateItem, str | None]:
    item = fields.instance(value, name, StateItem)
    try:
        return item.snapshot()
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None


def check_number_of_scopes(save: ItemsToSave) -> None:
    """
    Refuse a call that would need too many locks.
    """
    sessions = {item.session_id for item in save.items} - {None}
    if (number := len(save.scopes) + len(sessions)) > MAX_SCOPES_PER_CALL:
        raise ValidationError(
            f"items: expected items of at most {MAX_SCOPES_PER_CALL} scopes and"
            f" sessions, got {number}"
        )


def _beginning_with(prefix: str) -> KeyRange:
    """
    Make the range of the keys that begin with *prefix*.

    It ends before the prefix whose last character is the next one; behind the last
    character that there is, before that of the shorter prefix.
    """
    if not (shorter := prefix.rstrip(_LAST_CHARACTER)):
        return KeyRange(first=prefix)
    code = ord(shorter[-1]) + 1
    following = chr(_SURROGATES.stop if code in _SURROGATES else code)
    return KeyRange(first=prefix, before=shorter[:-1] + following)
