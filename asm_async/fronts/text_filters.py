"""
The filters of a search for text, and what a backend finds by them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, ClassVar

import attrs

from asm_async.conventions.layouts import Role
from asm_async.fronts.paging import Order, Search, ordered_by
from asm_async.fronts.query_filters import EventTypes
from asm_async.values import fields
from asm_async.values.event import Event
from asm_async.values.fields import Text, UTCTime
from asm_async.values.session import Session
from asm_async.values.text_query import TextQuery, parse_query

RANKS_PER_UNIT = 1_000_000
"""
A backend's rank is a whole number of millionths: cursors hold no floats.
"""


def _roles(value: object, name: str) -> tuple[Role, ...]:
    rule = partial(fields.choice, kind=Role)
    return tuple(sorted(set(fields.several(value, name, rule))))


def _query(value: object, _name: str) -> str:
    parse_query(value)
    return fields.instance(value, "query", str)


@attrs.frozen(kw_only=True)
class TextFilter(Search):
    """
    Which texts to find: what ``search_text`` takes.
    """

    query: Annotated[str, _query]
    session_id: Text | None = None
    agent_id: Text | None = None
    tenant_id: Text | None = None
    user_id: Text | None = None
    types: EventTypes | None = None
    roles: Annotated[Collection[str], _roles] | None = None
    since: UTCTime | None = None
    until: UTCTime | None = None

    RESOURCE: ClassVar[str] = "texts"
    ORDERS: ClassVar[Mapping[str, Order]] = {
        "relevance": ordered_by(
            rank=int,
            timestamp=datetime,
            session_id=str,
            sequence_number=int,
            is_descending=True,
        ),
        "time": ordered_by(
            timestamp=datetime, session_id=str, sequence_number=int, is_descending=True
        ),
    }

    @property
    def parsed(self) -> TextQuery:
        """
        What the query asks for.
        """
        return parse_query(self.query)

    @property
    def takes_titles(self) -> bool:
        """
        Whether titles of sessions may be found, too.
        """
        return self.types is None and self.roles is None


@attrs.frozen(kw_only=True)
class FoundText:
    """
    A text that a backend has found, with what gives it its place in an order.
    """

    session: Session
    """
    The session, which may be without its context.
    """

    event: Event | None
    """
    The event; None for the session's title.
    """

    rank: int = 0
    """
    How well it fits, in millionths.
    """

    @property
    def timestamp(self) -> datetime:
        """
        When it was said, or its session created.
        """
        return self.session.created_at if self.event is None else self.event.timestamp

    @property
    def session_id(self) -> str:
        """
        The id of its session.
        """
        return self.session.id

    @property
    def sequence_number(self) -> int:
        """
        The number of the event; 0 for a title.
        """
        return 0 if self.event is None else self.event.sequence_number


@attrs.frozen(kw_only=True)
class IndexedEvent:
    """
    An event that is to be indexed.
    """

    event: Event
    """
    The event.
    """

    role: str | None
    """
    Who has said it, if it was said by anybody.
    """

    terms: list[str]
    """
    The terms of its texts; none if nothing of it can be found.
    """
