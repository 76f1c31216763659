"""
The state of a feed and of its consumers.
"""

from __future__ import annotations

import attrs

from asm_async.values.fields import Amount, Count, Text, UTCTime
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class FeedLag(Value):
    """
    The lag of the feed of all sessions, and what holds it up.
    """

    pending_events: Count
    """
    How many events a follower at the given checkpoint has still to be given; held ones
    are among them.
    """

    held_events: Count = 0
    """
    How many are committed but not delivered yet, because a transaction that began
    earlier has not ended: it may still commit events that come before them.
    """

    held_for_seconds: Amount | None = None
    """
    How long that transaction has been open; None if nothing is held or its age is not
    known.
    """

    held_by: str | None = None
    """
    Which transaction that is, in the database's words; None if nothing is held.
    """


@attrs.frozen(kw_only=True)
class ConsumerState(Value):
    """
    A durable consumer, as the database remembers it.
    """

    name: Text
    """
    The name that its checkpoint is kept under.
    """

    checkpoint: str | None
    """
    How far it has acknowledged; None for nothing yet.
    """

    fencing_token: Count
    """
    Raised each time its lease is taken: only the last holder may acknowledge.
    """

    holder: Text | None
    """
    Who has the lease: machine, process and a random mark; None if no process has.
    """

    leased_until: UTCTime | None
    """
    When the lease of its holder ends unless it is renewed; None if no process holds it.
    """

    updated_at: UTCTime
    """
    When anything of this last changed.
    """
