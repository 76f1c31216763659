"""
The limits of what the routes accept and answer with.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.fields import PositiveCount
from asm_async.values.value import Value

MAX_PAGE_SIZE = 200
"""
The longest page: shorter than the ports', since whole events are sent.
"""


def _seconds(value: object, name: str) -> float:
    if not (seconds := fields.amount(value, name)):
        raise ValidationError(f"{name}: expected a time in seconds, got 0")
    return seconds


Seconds: TypeAlias = Annotated[float, _seconds]


@attrs.frozen(kw_only=True)
class Limits(Value):
    """
    How much a router takes and holds open.

    Raises:
        ValidationError: Naming the limit that is wrong.
    """

    max_body_bytes: PositiveCount = 1 << 20
    """
    The longest body of a request; longer ones are answered with 413.
    """

    max_streams: PositiveCount = 1_000
    """
    How many streams one worker has open at once; further ones are answered with 503.
    """

    max_stream_seconds: Seconds = 3_600.0
    """
    How long a stream lasts before its client has to ask for it anew, which an
    ``EventSource`` does by itself, and with it to be authorized anew.
    """

    heartbeat_seconds: Seconds = 15.0
    """
    How long a stream is silent at most: proxies may close silent connections, and a
    client that vanished without closing its own is noticed when it is written to.
    """
