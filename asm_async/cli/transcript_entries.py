"""
What a session's transcript consists of for people: messages, and what happened between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import attrs

from asm_async.conventions import EventFamily
from asm_async.transcripts import Message, transcript_of
from asm_async.values.event import EVENTS_RETRACTED, Event, EventType
from asm_async.values.retraction import Range, Ranges, is_hidden

_IN_MESSAGES = frozenset({EventFamily.MESSAGE, EventFamily.TOOL, EventFamily.USAGE})
# A run's own line says what these do.
_IN_RUNS = frozenset(
    {EventType.RUN_STARTED, EventType.RUN_COMPLETED, EventType.TURN_COMPLETED}
)


@attrs.frozen(kw_only=True)
class Entry:
    """
    A message, another event, or some events that are hidden.
    """

    place: int
    """
    The sequence number by which it is placed.
    """

    what: Message | Event | Range

    is_hidden: bool = False
    """
    Whether it was retracted.
    """


Entries: TypeAlias = Iterable[Entry]


def entries_of(
    events: Sequence[Event], hidden: Ranges, *, with_hidden: bool
) -> list[Entry]:
    """
    Return what there is to print of some events of a session, in order.

    Args:
        events: In the order of their numbers.

        hidden: The ranges that retractions have hidden.

        with_hidden: Whether what is hidden is to be printed, rather than mentioned.
    """
    visible = [each for each in events if not is_hidden(each.sequence_number, hidden)]
    entries = [*_messages(visible), *_others(visible)]
    if with_hidden:
        retracted = [each for each in events if is_hidden(each.sequence_number, hidden)]
        entries += [
            attrs.evolve(entry, is_hidden=True)
            for entry in (*_messages(retracted), *_others(retracted))
        ]
    elif events:
        entries += _gaps(events, hidden)
    return sorted(entries, key=lambda entry: entry.place)


def _messages(events: Sequence[Event]) -> Iterator[Entry]:
    told = [event for event in events if event.type != EVENTS_RETRACTED]
    place = 0
    for message in transcript_of(told).messages if told else ():
        # A result stands behind its call, though other things came between them.
        place = max(place, message.sequence_number)
        yield Entry(place=place, what=message)


def _others(events: Sequence[Event]) -> Iterator[Entry]:
    for event in events:
        if _stands_alone(event):
            yield Entry(place=event.sequence_number, what=event)


def _stands_alone(event: Event) -> bool:
    if isinstance(event.type, EventType):
        return event.type.family not in _IN_MESSAGES and event.type not in _IN_RUNS
    return event.type != EVENTS_RETRACTED


def _gaps(events: Sequence[Event], hidden: Ranges) -> Iterator[Entry]:
    first, last = events[0].sequence_number, events[-1].sequence_number
    for start, end in hidden:
        if first <= end and start <= last:
            yield Entry(place=start, what=(start, end), is_hidden=True)
