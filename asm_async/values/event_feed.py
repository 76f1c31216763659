"""
What a feed tells about itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

import attrs

from asm_async.values import fields

__all__ = ["ConsumerState", "FeedLag"]


def _label(value: object, name: str) -> str | None:
    return None if value is None else fields.instance(value, name, str)


@attrs.frozen(kw_only=True)
class FeedLag:
    """
    How far behind the feed of all sessions is, and what holds it up.
    """

    pending_events: int
    """
    How many events a follower at the given checkpoint has still to be given; held ones
    are among them.
    """

    held_events: int = 0
    """
    How many are committed but given to nobody yet, because a transaction that began
    earlier has not ended: it may still commit events that come before them.
    """

    held_for_seconds: float | None = None
    """
    How long that transaction has been open; None if nothing is held or its age is not
    known.
    """

    held_by: str | None = None
    """
    Which transaction that is, in the database's words; None if nothing is held.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "pending_events": fields.count,
        "held_events": fields.count,
        "held_for_seconds": fields.optional_amount,
        "held_by": _label,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


@attrs.frozen(kw_only=True)
class ConsumerState:
    """
    A durable consumer, as the database remembers it.
    """

    name: str
    """
    The name that its checkpoint is kept under.
    """

    checkpoint: str | None
    """
    How far it has acknowledged; None for nothing yet.
    """

    fencing_token: int
    """
    Greater each time its lease is taken: whoever took it last may acknowledge.
    """

    holder: str | None
    """
    Who has the lease: machine, process and a mark of its own; None if nobody has.
    """

    leased_until: datetime | None
    """
    When the lease of its holder ends unless it is renewed; None if nobody holds it.
    """

    updated_at: datetime
    """
    When anything of this last changed.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "name": fields.text,
        "checkpoint": _label,
        "fencing_token": fields.count,
        "holder": fields.optional_text,
        "leased_until": fields.optional_utc_time,
        "updated_at": fields.utc_time,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
