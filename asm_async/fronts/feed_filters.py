"""
The filters of the event feed, each in its one normal form.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import attrs

from asm_async.values import fields
from asm_async.values.checkpoint import Place
from asm_async.values.event import Event, EventType, event_type

__all__ = ["START", "FeedFilter", "SessionFeedFilter"]

START: Place = (0, 0)
"""
The place before the first event.
"""


def _types(value: object, name: str) -> Collection[EventType | str] | None:
    if value is None:
        return None
    return frozenset(fields.tuple_of(value, name, event_type))


@attrs.frozen(kw_only=True)
class SessionFeedFilter:
    """
    Which events of one session to follow: what ``follow_session`` takes.
    """

    session_id: str
    after: int = 0
    types: Collection[EventType | str] | None = None
    run_id: str | None = None
    until_over: bool = False
    tenant_id: str | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.text,
        "after": fields.count,
        "types": _types,
        "run_id": fields.optional_text,
        "until_over": fields.boolean,
        "tenant_id": fields.optional_text,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)

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
class FeedFilter:
    """
    Which events of all sessions to follow: what ``follow_all`` takes.
    """

    types: Collection[EventType | str] | None = None
    agent_id: str | None = None
    tenant_id: str | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "types": _types,
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
