"""
The limits of what the routes accept and answer with.
"""

from __future__ import annotations

from typing import ClassVar

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields

__all__ = ["MAX_PAGE_SIZE", "Limits"]

MAX_PAGE_SIZE = 200
"""
The longest page: shorter than the ports', since whole events are sent.
"""


def _positive_count(value: object, name: str) -> int:
    if not (number := fields.count(value, name)):
        raise ValidationError(f"{name}: expected at least 1, got 0")
    return number


def _seconds(value: object, name: str) -> float:
    if not (seconds := fields.amount(value, name)):
        raise ValidationError(f"{name}: expected a time in seconds, got 0")
    return seconds


@attrs.frozen(kw_only=True)
class Limits:
    """
    How much a router takes and holds open.

    Raises:
        ValidationError: Naming the limit that is wrong.
    """

    max_body_bytes: int = 1 << 20
    """
    The longest body of a request; longer ones are answered with 413.
    """

    max_streams: int = 1_000
    """
    How many streams one worker has open at once; further ones are answered with 503.
    """

    max_stream_seconds: float = 3_600.0
    """
    How long a stream lasts before its client has to ask for it anew, which an
    ``EventSource`` does by itself, and with it to be authorized anew.
    """

    heartbeat_seconds: float = 15.0
    """
    How long a stream is silent at most: what stands between may close silent ones, and
    a client that vanished without a word is found out by it.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "max_body_bytes": _positive_count,
        "max_streams": _positive_count,
        "max_stream_seconds": _seconds,
        "heartbeat_seconds": _seconds,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
