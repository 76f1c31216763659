"""
What every adapter of the event feed checks before it does anything else.

One place, so that the adapters refuse the same arguments in the same words. Whatever
stands here gives its arguments in normal form or raises ``ValidationError``, with the
argument's name at the start of the message.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import attrs

from asm_async.errors import ValidationError
from asm_async.ports.event_consumer import MAX_BATCH_SIZE, MAX_LEASE_SECONDS
from asm_async.values import fields
from asm_async.values.checkpoint import Place, place_of
from asm_async.values.event import Event, EventType, event_type

__all__ = [
    "START",
    "BatchBounds",
    "ConsumerOptions",
    "FeedFilter",
    "SessionFilter",
    "check_checkpoint",
    "check_consumer_name",
]

_SHORTEST_LEASE_SECONDS = 0.1

START: Place = (0, 0)
"""
The place before the first event.
"""


def check_checkpoint(checkpoint: object, database: str) -> Place:
    """
    Accept a checkpoint of this kind of database, or None for the beginning.
    """
    if checkpoint is None:
        return START
    return place_of(checkpoint, "checkpoint", database)


def check_consumer_name(name: object) -> str:
    """
    Accept the name of a durable consumer.
    """
    return fields.text(name, "name")


def _types(value: object, name: str) -> Collection[EventType | str] | None:
    if value is None:
        return None
    return frozenset(fields.tuple_of(value, name, event_type))


def _batch_size(value: object, name: str) -> int:
    size = fields.count(value, name)
    if not 1 <= size <= MAX_BATCH_SIZE:
        raise ValidationError(f"{name}: expected 1 to {MAX_BATCH_SIZE}, got {size}")
    return size


def _lease_seconds(value: object, name: str) -> float:
    seconds = fields.total_amount(value, name)
    if not _SHORTEST_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ValidationError(
            f"{name}: expected {_SHORTEST_LEASE_SECONDS} to {MAX_LEASE_SECONDS} seconds"
        )
    return seconds


@attrs.frozen(kw_only=True)
class SessionFilter:
    """
    Which events of which session to give: what ``follow_session`` takes.
    """

    session_id: str
    after: int = 0
    types: Collection[EventType | str] | None = None
    run_id: str | None = None
    until_over: bool = False
    tenant_id: str | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.text,
        "after": fields.count,
        "types": _types,
        "run_id": fields.optional_text,
        "until_over": fields.boolean,
        "tenant_id": fields.optional_text,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)

    @property
    def leaves_out(self) -> bool:
        """
        Whether there may be events of the session that it does not let through.
        """
        filters = (self.types, self.run_id, self.tenant_id)
        return any(each is not None for each in filters)

    def matches(self, event: Event) -> bool:
        """
        Tell whether it lets an event of the session through.
        """
        of_type = self.types is None or event.type in self.types
        return of_type and self.run_id in (None, event.run_id)


@attrs.frozen(kw_only=True)
class FeedFilter:
    """
    Which events of all sessions to give: what ``follow_all`` takes.
    """

    types: Collection[EventType | str] | None = None
    agent_id: str | None = None
    tenant_id: str | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "types": _types,
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class ConsumerOptions:
    """
    Who consumes, and how long a lease lasts: what ``consumer`` takes.
    """

    name: str
    lease_seconds: float

    _RULES: ClassVar[fields.FieldRules] = {
        "name": fields.text,
        "lease_seconds": _lease_seconds,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class BatchBounds:
    """
    How large a batch may be, and how long to gather it: what ``batches`` takes.
    """

    max_size: int
    max_wait: float

    _RULES: ClassVar[fields.FieldRules] = {
        "max_size": _batch_size,
        "max_wait": fields.amount,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
