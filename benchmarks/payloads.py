"""
What agents say.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any, TypeAlias

__all__ = ["JSONObject", "Payloads"]

JSONObject: TypeAlias = dict[str, Any]

_TEXT = (
    "I have found two flights that fit: one leaves at 07:40 with a stop, the other at"
    " 11:15 without. Which one shall I book for you? "
)


class Payloads:
    """
    An endless supply of data of about 250 bytes of JSON, no two alike.
    """

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count(1_000_000)

    def next(self) -> JSONObject:
        """
        Return the next one.
        """
        number = next(self._numbers)
        return {
            "role": "assistant",
            "content": f"{_TEXT}({number})",
            "call": {"id": f"call_{number}", "name": "search_flights", "ok": True},
        }

    def many(self, number: int) -> list[JSONObject]:
        """
        Return the next *number* of them.
        """
        return [self.next() for _ in range(number)]
