"""
What a store of LangGraph keeps, as state items.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import attrs
from langgraph.store.base import Item, PutOp, SearchItem

from asm_async.errors import ValidationError
from asm_async.integrations.langgraph.store_keys import item_key_of, place_of
from asm_async.values import fields
from asm_async.values.state_item import StateItem

# How much of its time to live an item may have lost before a read gives it back: what
# is read again and again shall not be written as often.
_NOTICED = 0.01


@attrs.frozen
class KeptItem:
    """
    A state item, read as what was put.
    """

    stored: StateItem
    value: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    ttl: float | None

    @classmethod
    def of(cls, stored: StateItem) -> KeptItem:
        """
        Read a state item.
        """
        data = cast("dict[str, Any]", stored.data)
        expires_at = data.get("expires_at")
        return cls(
            stored=stored,
            value=data["value"],
            created_at=datetime.fromisoformat(data["created_at"]),
            updated_at=datetime.fromisoformat(data["updated_at"]),
            expires_at=None if not expires_at else datetime.fromisoformat(expires_at),
            ttl=data.get("ttl"),
        )

    def is_expired(self, now: datetime) -> bool:
        """
        Return whether its time to live is over.
        """
        return self.expires_at is not None and self.expires_at <= now

    def refreshed(self, now: datetime) -> StateItem | None:
        """
        Return the state item with its time to live begun again.

        Returns:
            None if it has none, or has lost too little of it to be written again.
        """
        if self.ttl is None or self.expires_at is None:
            return None
        lifetime = timedelta(minutes=self.ttl)
        if now + lifetime - self.expires_at < lifetime * _NOTICED:
            return None
        expires_at = (now + lifetime).isoformat()
        data = {**cast("dict[str, Any]", self.stored.data), "expires_at": expires_at}
        return attrs.evolve(self.stored, data=data)

    def to_item(self) -> Item:
        """
        Return it as LangGraph's ``Item``.
        """
        return Item(**self._members())

    def to_search_item(self) -> SearchItem:
        """
        Return it as LangGraph's ``SearchItem``, without a score.
        """
        return SearchItem(**self._members())

    def _members(self) -> dict[str, Any]:
        namespace, key = place_of(self.stored.key)
        return {
            "namespace": namespace,
            "key": key,
            "value": self.value,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def state_item_of(
    scope: str, op: PutOp, created_at: datetime | None, now: datetime
) -> StateItem:
    """
    Return the state item of what is put.

    Args:
        scope: The store's.

        op: What is put, and where; with a value.

        created_at: When what it replaces was put first; None if it replaces nothing.

        now: When it is put.

    Raises:
        ValidationError: If the value is no JSON, the time to live no time, or namespace
            and key are too long, or no text for a database.
    """
    place = f"{op.namespace!r}, {op.key!r}"
    ttl = fields.optional(op.ttl, f"{place}: ttl", fields.amount)
    try:
        expires_at = None if ttl is None else now + timedelta(minutes=ttl)
    except OverflowError:
        raise ValidationError(f"{place}: ttl: {ttl} minutes are too many") from None
    data: dict[str, Any] = {
        "value": dict(op.value or {}),
        "created_at": (created_at or now).isoformat(),
        "updated_at": now.isoformat(),
    }
    if expires_at is not None:
        data |= {"ttl": ttl, "expires_at": expires_at.isoformat()}
    try:
        return StateItem(scope=scope, key=item_key_of(op.namespace, op.key), data=data)
    except ValidationError as error:
        raise ValidationError(f"{place}: {error}") from None


def now_utc() -> datetime:
    """
    Return the present time.
    """
    return datetime.now(UTC)
