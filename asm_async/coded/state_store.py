"""
A state store whose items are stored in another form than callers see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from asm_async.coded.coder import Coder
from asm_async.coded.coding import Coding
from asm_async.errors import ValidationError
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.state_store import NOTHING_EXPECTED, StateStore
from asm_async.values import fields
from asm_async.values.state_item import StateItem


class CodedStateStore(StateStore):
    """
    A :class:`~asm_async.ports.state_store.StateStore` in front of another one.

    Items are encoded before they are written and decoded after they were read; every
    promise of the port holds as before.

    Args:
        state: Where the items go; closed with this one.

        coder: Encodes them, and decodes them again.

    Raises:
        ValidationError: If *state* or *coder* is something else.
    """

    def __init__(self, state: StateStore, coder: Coder) -> None:
        if not callable(getattr(state, "save_items", None)):
            raise fields.unexpected("state", "a StateStore", state)
        self.behind: StateStore = state
        """
        The store that it wraps.
        """
        self._coding = Coding(fields.instance(coder, "coder", Coder))

    @property
    def coder(self) -> Coder:
        """
        What encodes and decodes its values.
        """
        return self._coding.coder

    async def aclose(self) -> None:
        """
        Close the store that it wraps.
        """
        await self.behind.aclose()

    async def save_items(
        self,
        items: Sequence[StateItem],
        *,
        keep_existing: bool = False,
        expected_revisions: Mapping[tuple[str, str], int] = NOTHING_EXPECTED,
        operation_id: str | None = None,
    ) -> list[StateItem]:
        """
        Encode items, and save them.
        """
        copies = fields.tuple_of(items, "items", _copy)
        stored = await self.behind.save_items(
            await self._coding.encoded(copies),
            keep_existing=keep_existing,
            expected_revisions=expected_revisions,
            operation_id=operation_id,
        )
        return await self._coding.decoded(stored)

    async def get_items(
        self, scope: str, keys: Collection[str]
    ) -> dict[str, StateItem]:
        """
        Return the items of these keys.
        """
        stored = await self.behind.get_items(scope, keys)
        decoded = await self._coding.decoded([*stored.values()])
        return {item.key: item for item in decoded}

    @takes_arguments_of(StateStore.list_items)
    async def list_items(self, scope: str, **options: Any) -> list[StateItem]:
        """
        Return the items of a scope.
        """
        return await self._coding.decoded(
            await self.behind.list_items(scope, **options)
        )

    @takes_arguments_of(StateStore.list_session_items)
    async def list_session_items(
        self, session_id: str, **options: Any
    ) -> list[StateItem]:
        """
        Return the items of a session.
        """
        return await self._coding.decoded(
            await self.behind.list_session_items(session_id, **options)
        )

    @takes_arguments_of(StateStore.delete_items)
    async def delete_items(self, scope: str, **options: Any) -> int:
        """
        Remove items by key and by prefix.
        """
        return await self.behind.delete_items(scope, **options)

    async def delete_scope(self, scope: str) -> None:
        """
        Remove all items of a scope.
        """
        await self.behind.delete_scope(scope)


def _copy(value: object, name: str) -> StateItem:
    item = fields.instance(value, name, StateItem)
    try:
        # What was spoilt since it was checked is refused before it is looked into.
        copy, _ = item.snapshot()
    except ValidationError as error:
        raise ValidationError(f"{name}.{error}") from None
    return copy
