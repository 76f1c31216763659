"""
A state store that redacts what goes into another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.state_store import NOTHING_EXPECTED, StateStore
from asm_async.values import fields
from asm_async.values.redaction import RedactionPolicy
from asm_async.values.state_item import StateItem


def redacted_item(item: StateItem, policy: RedactionPolicy) -> StateItem:
    """
    Return *item*, whose *data* is in normal form, as it may be stored.
    """
    return attrs.evolve(item, data=policy.redact(item.data))


class RedactingStateStore(StateStore):
    """
    A :class:`~asm_async.ports.state_store.StateStore` in front of another one.

    Values are redacted before they are written, and reads return the stored values.
    Only an item's *data* is redacted. Its *content* is opaque, and is stored as it is;
    so are scopes and keys, by which items are found.

    Every promise of the port holds as before. The same value gives the same redacted
    value, so that a call may be repeated.

    Args:
        state: Where the items go; closed with this one.

        policy: What to leave out.

    Raises:
        ValidationError: If *state* or *policy* is something else.
    """

    def __init__(self, state: StateStore, policy: RedactionPolicy) -> None:
        if not callable(getattr(state, "save_items", None)):
            raise fields.unexpected("state", "a StateStore", state)
        self._state = state
        self._policy = fields.instance(policy, "policy", RedactionPolicy)

    async def aclose(self) -> None:
        """
        Close the store that it wraps.
        """
        await self._state.aclose()

    async def save_items(
        self,
        items: Sequence[StateItem],
        *,
        keep_existing: bool = False,
        expected_revisions: Mapping[tuple[str, str], int] = NOTHING_EXPECTED,
        operation_id: str | None = None,
    ) -> list[StateItem]:
        """
        Redact the *data* of items, and save them.
        """
        return await self._state.save_items(
            fields.tuple_of(items, "items", self._redacted),
            keep_existing=keep_existing,
            expected_revisions=expected_revisions,
            operation_id=operation_id,
        )

    def _redacted(self, value: object, name: str) -> StateItem:
        item = fields.instance(value, name, StateItem)
        try:
            # What was spoilt since it was checked is refused before it is looked into.
            item, _ = item.snapshot()
        except ValidationError as error:
            raise ValidationError(f"{name}.{error}") from None
        return redacted_item(item, self._policy)

    # What is read is what is stored: all that follows is the inner store's.

    async def get_items(
        self, scope: str, keys: Collection[str]
    ) -> dict[str, StateItem]:
        """
        Return the items of these keys.
        """
        return await self._state.get_items(scope, keys)

    @takes_arguments_of(StateStore.list_items)
    async def list_items(self, scope: str, **options: Any) -> list[StateItem]:
        """
        Return the items of a scope.
        """
        return await self._state.list_items(scope, **options)

    @takes_arguments_of(StateStore.list_session_items)
    async def list_session_items(
        self, session_id: str, **options: Any
    ) -> list[StateItem]:
        """
        Return the items of a session.
        """
        return await self._state.list_session_items(session_id, **options)

    @takes_arguments_of(StateStore.delete_items)
    async def delete_items(self, scope: str, **options: Any) -> int:
        """
        Remove items by key and by prefix.
        """
        return await self._state.delete_items(scope, **options)

    async def delete_scope(self, scope: str) -> None:
        """
        Remove all items of a scope.
        """
        await self._state.delete_scope(scope)
