"""
The tokens of a thread: rollouts tell totals, over and over.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from asm_async.importers.members import object_at
from asm_async.usage import token_usage_of

# Parts are within their wholes, the written cache too.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "input_tokens": "input_tokens",
        "output_tokens": "output_tokens",
        "total_tokens": "total_tokens",
        "cached_input_tokens": "cache_read_tokens",
        "cache_write_input_tokens": "cache_write_tokens",
        "reasoning_output_tokens": "reasoning_tokens",
    }
)


class TokenCounts:
    """
    The totals of a thread so far, by which each request is counted once.
    """

    def __init__(self, *, is_fork: bool = False) -> None:
        self._totals: dict[str, int] = {}
        # The totals of a fork may go on from those of its source.
        self._knows_totals = not is_fork

    def added_by(self, payload: Mapping[str, Any]) -> dict[str, int]:
        """
        Return what a ``token_count`` adds, as counts of a run; nothing if it adds none.

        The same totals come again with each change of a rate limit. Where they are less
        than before, the thread has begun to count again.

        Raises:
            ValidationError: If a count is out of bounds.
        """
        info = object_at(payload, "info")
        totals = _counts_of(object_at(info, "total_token_usage"))
        latest = _counts_of(object_at(info, "last_token_usage"))
        if not totals:
            # Before there were totals, each request had its own record.
            return token_usage_of(_counts_of(payload))
        before, self._totals = self._totals, totals
        knew, self._knows_totals = self._knows_totals, True
        added = {name: count - before.get(name, 0) for name, count in totals.items()}
        if min(added.values()) < 0 or not knew:
            added = latest or totals
        return token_usage_of(added) if any(added.values()) else {}


def _counts_of(members: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: members[theirs]
        for theirs, name in _NAMES.items()
        if type(members.get(theirs)) is int
    }
