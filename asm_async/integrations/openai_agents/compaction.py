"""
What the SDK's compaction asks of a session beyond its protocol.

The SDK's own stores have a private method that shows a compaction the end of a history,
and has it replaced all or nothing. The SDK looks for that method by its name in any
session; where there is none, or it returns None, it compacts only whole histories, by
clearing and adding again. So the method is offered as long as the SDK has the class of
what it returns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias, cast

import agents.memory.session as sdk_sessions

ReplaceSuffix: TypeAlias = Callable[[int, list[Any]], Awaitable[bool]]
"""
Puts other items in the place of those from an index on, if these are still the same.
"""


class CompactionSnapshot(Protocol):
    """
    The end of a history at one moment, as the SDK reads it.
    """

    items: list[Any]
    """
    The latest items, oldest first.
    """

    complete: bool
    """
    Whether these are all.
    """

    replace_suffix: ReplaceSuffix
    """
    Replaces some of them.
    """


def make_snapshot(
    items: list[Any], *, complete: bool, replace_suffix: ReplaceSuffix
) -> CompactionSnapshot | None:
    """
    Return the SDK's own object; None if the SDK has none that is made like that.
    """
    make = getattr(sdk_sessions, "_CompactionSnapshot", None)
    if make is None:
        return None
    try:
        made = make(items=items, complete=complete, replace_suffix=replace_suffix)
    except TypeError:
        return None
    return cast("CompactionSnapshot", made)
