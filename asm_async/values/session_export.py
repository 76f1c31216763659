"""
All data of one session, as of one moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Self, TypeAlias, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.fields import Count
from asm_async.values.plain_value import PlainValue, check_members
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem
from asm_async.values.value import schema_of

T = TypeVar("T")

SessionMember: TypeAlias = Run | Artifact | StateItem | Event
"""
What belongs to one session, beside the session itself.
"""


def identity(member: SessionMember) -> str | tuple[str, str]:
    """
    Return what tells *member* from all others of its kind: an id, or scope and key.
    """
    if isinstance(member, StateItem):
        return member.scope, member.key
    return member.id


@attrs.frozen(kw_only=True)
class SessionExport(PlainValue):
    """
    A session with its runs, artifacts, state items and stored events, as of one moment.

    Raises:
        ValidationError: If a run, an artifact, an item or an event belongs to another
            session or appears twice, the events' numbers do not ascend within 1 to
            *latest_sequence*, or stored and pruned events do not add up to it.
    """

    session: Session
    """
    The session, soft-deleted or not.
    """

    runs: tuple[Run, ...]
    """
    Its runs, in the order they were started, then by id.
    """

    artifacts: tuple[Artifact, ...] = ()
    """
    Its artifacts, soft-deleted ones too, in the order they were created, then by id;
    not their contents, which are in an artifact store under their checksums.
    """

    items: tuple[StateItem, ...] = ()
    """
    Its state items, by scope and key; at revision 0, since each store gives revisions
    of its own, and without those in the library's own scopes.
    """

    events: tuple[Event, ...]
    """
    Its stored events, oldest first.
    """

    latest_sequence: Count
    """
    The latest number it has given to an event; the next one gets one more.
    """

    pruned_count: Count
    """
    How many of its numbers belong to events that are stored no longer.
    """

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._check_members("runs", self.runs)
        self._check_members("artifacts", self.artifacts)
        self._check_members("items", self.items)
        self._check_members("events", self.events)
        self._check_numbers()

    def _check_members(self, name: str, members: Sequence[SessionMember]) -> None:
        seen: set[str | tuple[str, str]] = set()
        for index, member in enumerate(members):
            own = identity(member)
            if member.session_id != self.session.id:
                raise ValidationError(
                    f"{name}[{index}]: {own!r} belongs to session"
                    f" {member.session_id!r}, not to {self.session.id!r}"
                )
            if own in seen:
                raise ValidationError(f"{name}[{index}]: {own!r} appears twice")
            seen.add(own)

    def _check_numbers(self) -> None:
        previous = 0
        for index, event in enumerate(self.events):
            if not previous < event.sequence_number <= self.latest_sequence:
                raise ValidationError(
                    f"events[{index}]: the sequence number {event.sequence_number}"
                    f" is not within {previous + 1} to {self.latest_sequence}"
                )
            previous = event.sequence_number
        if len(self.events) + self.pruned_count != self.latest_sequence:
            raise ValidationError(
                f"pruned_count: {self.pruned_count} and {len(self.events)} stored"
                f" events do not add up to {self.latest_sequence}"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make an export of what :meth:`to_dict` returned; all fields are required.

        Raises:
            ValidationError: Naming the field that is wrong, missing or unknown.
        """
        names = schema_of(cls).rules
        given = dict(check_members(data, names, names.keys()))
        run = partial(_made_by, make=Run.from_dict)
        artifact = partial(_made_by, make=Artifact.from_dict)
        item = partial(_made_by, make=StateItem.from_dict)
        event = partial(_made_by, make=Event.from_dict)
        return cls(
            session=_made_by(given.pop("session"), "session", make=Session.from_dict),
            runs=fields.tuple_of(given.pop("runs"), "runs", run),
            artifacts=fields.tuple_of(given.pop("artifacts"), "artifacts", artifact),
            items=fields.tuple_of(given.pop("items"), "items", item),
            events=fields.tuple_of(given.pop("events"), "events", event),
            **given,
        )


def _made_by(value: Any, name: str, *, make: Callable[[Any], T]) -> T:
    try:
        return make(value)
    except ValidationError as error:
        raise ValidationError(f"{name}: {error}") from None
