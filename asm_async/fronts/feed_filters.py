"""
The filters of the event feed, each in its one normal form.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, TypeAlias

import attrs

from asm_async.values import fields
from asm_async.values.checkpoint import Place
from asm_async.values.event import Event, EventType, event_type
from asm_async.values.fields import Count, Text
from asm_async.values.value import Value

START: Place = (0, 0)
"""
The place before the first event.
"""


def _types(value: object, name: str) -> frozenset[EventType | str]:
    return frozenset(fields.tuple_of(value, name, event_type))


_Types: TypeAlias = Annotated[Collection[EventType | str], _types]


@attrs.frozen(kw_only=True)
class SessionFeedFilter(Value):
    """
    Which events of one session to follow: what ``follow_session`` takes.
    """

    session_id: Text
    after: Count = 0
    types: _Types | None = None
    run_id: Text | None = None
    until_over: bool = False
    tenant_id: Text | None = None

    @property
    def leaves_out(self) -> bool:
        """
        Whether there may be events of the session that it does not let through.
        """
        filters = (self.types, self.run_id, self.tenant_id)
        return any(each is not None for each in filters)

    def matches(self, event: Event) -> bool:
        """
        Return whether it lets an event of the session through, but for its tenant.
        """
        of_type = self.types is None or event.type in self.types
        return of_type and self.run_id in (None, event.run_id)


@attrs.frozen(kw_only=True)
class FeedFilter(Value):
    """
    Which events of all sessions to follow: what ``follow_all`` takes.
    """

    types: _Types | None = None
    agent_id: Text | None = None
    tenant_id: Text | None = None
