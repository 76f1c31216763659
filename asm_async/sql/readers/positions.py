"""
Places in the history of a primary: as a token, and how long ago it was there.
"""

from __future__ import annotations

import re
from collections import deque
from math import inf
from typing import NamedTuple

from asm_async.errors import ValidationError

_FORM = re.compile(r"1\.([0-9a-f]{1,16})\.([0-9a-f]{1,16})")
_SYSTEMS = 2**64


class ReadToken(NamedTuple):
    """
    A position, and which servers it is good for.
    """

    system: int
    position: int

    def __str__(self) -> str:
        return f"1.{self.system % _SYSTEMS:x}.{self.position:x}"

    def is_of(self, system: int) -> bool:
        """
        Return whether it is of the server with this identifier, or of a copy.
        """
        return self.system == system % _SYSTEMS


def token_of(text: object, name: str) -> ReadToken:
    """
    Read what a token was written as.

    Raises:
        ValidationError: If it is none; the message starts with *name*.
    """
    match = _FORM.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValidationError(
            f"{name}: this is no token; `await readers.token()` returns one"
        )
    return ReadToken(int(match[1], 16), int(match[2], 16))


class PrimaryHistory:
    """
    When the primary was seen where, for as long as it matters.

    A standby's own times do not tell how far behind it is: nothing is replayed where
    nothing is written, and one that is cut off does not know what it lacks.

    Args:
        span: How far back, in seconds, it has to reach.
    """

    def __init__(self, span: float) -> None:
        self._span = span
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, at: float, position: int) -> None:
        """
        Note where the primary was at a time; it begins again if it went backwards.
        """
        seen = self._seen
        if seen and position < seen[-1][1]:
            seen.clear()
        seen.append((at, position))
        # One that is older stays, by which it is known that a lag is no greater.
        while len(seen) > 1 and seen[1][0] < at - self._span:
            seen.popleft()

    def is_ahead(self, position: int) -> bool:
        """
        Return whether the primary was never seen as far as that.
        """
        return not self._seen or position > self._seen[-1][1]

    def lag_of(self, position: int) -> float:
        """
        Return by how many seconds a standby at *position* lags at the most.

        It is counted up to when the primary was seen last; ``inf`` is more than is
        remembered.
        """
        for at, seen in reversed(self._seen):
            if seen <= position:
                return self._seen[-1][0] - at
        return inf
