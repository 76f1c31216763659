"""
What is remembered of a durable consumer, and how its lease goes from hand to hand.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs

from asm_async.fronts.feed_filters import START
from asm_async.values.checkpoint import Place

__all__ = ["ConsumerRow"]


@attrs.define(kw_only=True)
class ConsumerRow:
    """
    A durable consumer: the row that a database would have.
    """

    place: Place = START
    fencing_token: int = 0
    holder: str | None = None
    leased_until: datetime | None = None
    updated_at: datetime

    def is_free(self, at: datetime, holder: str) -> bool:
        """
        Tell whether *holder* can take the lease.
        """
        is_over = self.leased_until is None or self.leased_until <= at
        return is_over or self.holder == holder

    def take(self, holder: str, seconds: float) -> int:
        """
        Take the lease; gives the new fencing token.
        """
        self.fencing_token += 1
        self.holder = holder
        self.renew(seconds)
        return self.fencing_token

    def renew(self, seconds: float) -> None:
        """
        Let the lease last *seconds* from now, unless it was given up.
        """
        self.updated_at = datetime.now(UTC)
        if self.holder is not None:
            self.leased_until = self.updated_at + timedelta(seconds=seconds)

    def release(self) -> None:
        """
        Let others take the lease at once.
        """
        self.updated_at = datetime.now(UTC)
        self.holder = self.leased_until = None
