"""
How a recorder says that it is alive: a state item for each run that is recorded.

A lease guards nothing: what keeps a recorder that was given up from writing is the
revision of its run. The lease tells those who recover runs that one is worked on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.state_item import StateItem

MIN_LEASE_SECONDS = 0.1
"""
The shortest lease.
"""

MAX_LEASE_SECONDS = 86_400.0
"""
The longest lease: a day.
"""

RENEWALS_PER_LEASE = 3
"""
How often a recorder renews its lease in the time that it lasts.
"""


@attrs.frozen
class RunItems:
    """
    The state items of one recorded run: their names, and the items themselves.

    All items of a scope are written under one lock, so sessions are spread over 256
    scopes. Those of one session stand in the same, since one commit writes them.
    """

    session_id: str
    run_id: str

    @property
    def scope(self) -> str:
        """
        The scope of both items.
        """
        return f"asm.runs/{hashlib.sha256(self.session_id.encode()).hexdigest()[:2]}"

    @property
    def lease(self) -> tuple[str, str]:
        """
        The name of the item that is renewed for as long as the recorder lives.
        """
        return self.scope, f"run/{self.run_id}"

    @property
    def exclusive(self) -> tuple[str, str]:
        """
        The name of the item that keeps others from beginning a run of the session.
        """
        return self.scope, f"session/{self.session_id}"

    def new_lease(self, recorder_id: str, seconds: float) -> StateItem:
        """
        Return the lease, renewed now for so many seconds.
        """
        return self._item(
            self.lease,
            recorder_id=recorder_id,
            lease_seconds=seconds,
            # A number, which no policy of redaction takes for a date of birth.
            renewed_at=datetime.now(UTC).timestamp(),
        )

    def new_exclusive(self) -> StateItem:
        """
        Return what keeps others from beginning a run beside this one.
        """
        return self._item(self.exclusive)

    def owns(self, exclusive: StateItem) -> bool:
        """
        Return whether an item of the session's is that of this run.
        """
        return _members(exclusive).get("run_id") == self.run_id

    def _item(self, name: tuple[str, str], **data: Any) -> StateItem:
        scope, key = name
        return StateItem(
            scope=scope,
            key=key,
            session_id=self.session_id,
            data={"run_id": self.run_id, **data},
        )


@attrs.frozen
class LeaseTerm:
    """
    When a lease was last renewed, by its recorder's clock, and for how many seconds.
    """

    renewed_at: datetime
    seconds: float

    @property
    def longest_silence(self) -> float:
        """
        How many seconds may pass between two renewals by a recorder that lives.

        It may stand still for as long as its lease lasts, and begin to just before it
        would have renewed it.
        """
        return self.seconds * (1 + 1 / RENEWALS_PER_LEASE)


def _members(item: StateItem) -> Mapping[str, Any]:
    data = cast("object", item.data)
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {}


def checked_lease(lease: object, name: str = "lease") -> float:
    """
    Accept how many seconds a lease lasts.

    Raises:
        ValidationError: If it is no number from 0.1 to 86,400.
    """
    seconds = fields.total_amount(lease, name)
    if not MIN_LEASE_SECONDS <= seconds <= MAX_LEASE_SECONDS:
        raise ValidationError(
            f"{name}: expected {MIN_LEASE_SECONDS} to {MAX_LEASE_SECONDS:.0f} seconds,"
            f" got {seconds}"
        )
    return seconds


def term_of(lease: StateItem) -> LeaseTerm | None:
    """
    Return what a lease says of its time; None for an item that says no such thing.
    """
    data = _members(lease)
    try:
        return LeaseTerm(
            datetime.fromtimestamp(data["renewed_at"], UTC),
            checked_lease(data["lease_seconds"]),
        )
    except (KeyError, OSError, OverflowError, TypeError, ValueError):
        return None
