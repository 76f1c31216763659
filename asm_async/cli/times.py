"""
Times and durations as they are written at a shell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, TypeAlias

from cyclopts import Parameter, Token

_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_UNITS: Mapping[str, str] = MappingProxyType(
    {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
)


def duration_of(text: str) -> timedelta:
    """
    Read a duration, such as 90s, 15m, 2h, 7d or 4w.

    Raises:
        ValueError: If it is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!a} is no duration such as 90s, 15m, 2h, 7d or 4w")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def time_of(text: str) -> datetime:
    """
    Read a time in ISO 8601, in UTC unless it has a zone, or how long ago it was.

    Raises:
        ValueError: If it is none.
    """
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) - duration_of(text)
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!a} is no time such as 2026-01-31, 2026-01-31T12:00Z, or 2h for two"
            " hours ago"
        ) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _time(_kind: type, tokens: Sequence[Token]) -> datetime:
    return time_of(tokens[0].value)


def _duration(_kind: type, tokens: Sequence[Token]) -> timedelta:
    return duration_of(tokens[0].value)


Time: TypeAlias = Annotated[
    datetime, Parameter(converter=_time, n_tokens=1, metavar="TIME")
]
"""
A time as an argument.
"""

Duration: TypeAlias = Annotated[
    timedelta, Parameter(converter=_duration, n_tokens=1, metavar="DURATION")
]
"""
A duration as an argument.
"""


def shown_time(time: datetime | None) -> str:
    """
    Write a time to the second, in UTC; nothing for none.
    """
    return "" if time is None else time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
