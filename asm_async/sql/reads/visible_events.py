"""
How the events are read that no retraction has hidden.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import TypeAlias

import attrs

from asm_async.fronts.session_filters import EventFilter
from asm_async.values.event import Event
from asm_async.values.fields import MAX_COUNT
from asm_async.values.retraction import Range, Ranges, is_hidden, visible_ranges

# An ordinary log has a number for each event, and few retractions in between.
_SLACK = 16
_GROWTH = 8

ReadRanges: TypeAlias = Callable[[EventFilter, Ranges], Awaitable[list[Event]]]
"""
Reads the events of some ranges that match a filter, as many as it wants, in order.
"""


async def read_visible(
    read: ReadRanges, wanted: EventFilter, hidden: Ranges, latest: int
) -> list[Event]:
    """
    Read the events that match a filter and are not *hidden*.

    Nothing behind the *latest* number is read: what came later may have hidden others.
    Events are only ever added, so that however many statements it takes, they all see
    the same.
    """
    first, last = (wanted.after or 0) + 1, latest
    if wanted.before is not None:
        last = min(last, wanted.before - 1)
    visible = visible_ranges(hidden, first, last)
    limit = wanted.limit if wanted.last is None else wanted.last
    if not visible or limit == 0:
        return []
    if wanted.ids is not None:
        # Each is found by its id, so that nothing is gained by looking range by range.
        whole = visible[0][0], visible[-1][1]
        named = attrs.evolve(wanted, limit=None, last=None)
        found = await read(named, (whole,))
        found = [each for each in found if not is_hidden(each.sequence_number, hidden)]
        if limit is None:
            return found
        return found[:limit] if wanted.last is None else found[-limit:]
    found, is_backwards = list[Event](), wanted.last is not None
    for part in _parts(visible, limit, is_backwards=is_backwards):
        if limit is not None:
            left = limit - len(found)
            wanted = (
                attrs.evolve(wanted, last=left)
                if is_backwards
                else attrs.evolve(wanted, limit=left)
            )
        more = await read(wanted, part)
        found = more + found if is_backwards else found + more
        if limit is not None and len(found) >= limit:
            break
    return found


def _parts(
    visible: Ranges, limit: int | None, *, is_backwards: bool
) -> Iterator[Ranges]:
    """
    Yield ranges in the direction of reading, each part with more numbers than before.

    To find a few events in many ranges, a statement must sort what all of them hold.
    """
    size = MAX_COUNT if limit is None else 2 * limit + _SLACK
    left = list(visible) if is_backwards else list(visible[::-1])
    while left:
        part: list[Range] = []
        room = size
        while left and room:
            first, last = left.pop()
            count = last - first + 1
            # Of a single range an index gives the first or the last ones.
            if count > room and (part or left):
                if is_backwards:
                    left.append((first, last - room))
                    first = last - room + 1
                else:
                    left.append((first + room, last))
                    last = first + room - 1
                count = room
            part.append((first, last))
            room = max(0, room - count)
        yield tuple(sorted(part))
        size *= _GROWTH
