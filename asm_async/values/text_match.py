"""
What a search for text has found, and how far its index is behind the log.
"""

from __future__ import annotations

from typing import Annotated

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.fields import Amount, Count, Text, UTCTime
from asm_async.values.session import Session
from asm_async.values.value import Value


def _mark(value: object, name: str) -> tuple[int, int]:
    begin, end = fields.tuple_of(value, name, fields.count)
    return begin, end


def _marks(value: object, name: str) -> tuple[tuple[int, int], ...]:
    return fields.tuple_of(value, name, _mark)


@attrs.frozen(kw_only=True)
class Snippet(Value):
    """
    Some of a text that was found, on one line, and where the words stand in it.
    """

    text: str
    """
    The piece of the text, at most 240 characters; an ellipsis stands where it was cut.
    """

    marks: Annotated[tuple[tuple[int, int], ...], _marks] = ()
    """
    Where the words begin and end in it, in ascending order; none overlap.
    """

    def __attrs_post_init__(self) -> None:
        """
        Refuse marks that are not within the text.
        """
        super().__attrs_post_init__()
        places = [place for mark in self.marks for place in mark]
        if places != sorted(places) or (places and places[-1] > len(self.text)):
            raise ValidationError("marks: expected ascending places within the text")

    def marked(self, before: str = "**", after: str = "**") -> str:
        """
        Return the text with *before* and *after* around each word that was found.

        Nothing in the text is escaped.
        """
        pieces: list[str] = []
        place = 0
        for begin, end in self.marks:
            pieces += self.text[place:begin], before, self.text[begin:end], after
            place = end
        return "".join(pieces) + self.text[place:]


@attrs.frozen(kw_only=True)
class TextMatch(Value):
    """
    A text that was found: an event's, or the title of a session.
    """

    session: Session
    """
    The session, without its *context*: that is an empty object, do not save it.
    """

    event: Event | None
    """
    The event; None if it is the session's title that was found.
    """

    snippet: Snippet
    """
    Where the text has what was searched for.
    """

    rank: Amount
    """
    How well the text fits, the greatest best: to be compared within one search, by one
    adapter. 0 if it was not ranked.
    """


@attrs.frozen(kw_only=True)
class IndexLag(Value):
    """
    How far the index of texts is behind the log.
    """

    pending_events: Count
    """
    How many events are stored and not indexed yet; held ones are among them.
    """

    held_events: Count = 0
    """
    How many of them cannot be indexed yet, because a transaction that began earlier has
    not ended: see :class:`~asm_async.values.event_feed.FeedLag`.
    """

    updated_at: UTCTime | None = None
    """
    When an updater last moved, or renewed its lease; None if there never was one.
    """

    holder: Text | None = None
    """
    Who updates the index now: machine, process and a random mark; None if nobody does.
    """

    @property
    def is_up_to_date(self) -> bool:
        """
        Whether all that can be indexed is indexed.
        """
        return self.pending_events == self.held_events
