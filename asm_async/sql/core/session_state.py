"""
Whether a session can be written to, as its counter row says.
"""

from __future__ import annotations

from enum import StrEnum


class GateState(StrEnum):
    """
    Whether a session can be appended to; the values are stored.

    One that is soft-deleted and has very many events is removed for ever in parts: it
    is ``deleting`` then, still there but not to be restored.
    """

    LIVE = "live"
    SOFT_DELETED = "soft_deleted"
    DELETING = "deleting"
    DELETED = "deleted"

    @property
    def is_deleted(self) -> bool:
        """
        Whether the session is still there, though closed to writers.
        """
        return self in {self.SOFT_DELETED, self.DELETING}
