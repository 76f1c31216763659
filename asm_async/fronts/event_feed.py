"""
The front of an event feed: what every call checks, and the filters that it makes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Collection
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.event_consumer import (
    ConsumerOptions,
    LeasedBatch,
    LeasedConsumer,
    LeaseTable,
)
from asm_async.fronts.following import EventReader, follow
from asm_async.fronts.observing import Observation, observed
from asm_async.fronts.signatures import takes_arguments_of
from asm_async.ports.event_feed import EventFeed
from asm_async.values import fields
from asm_async.values.checkpoint import (
    START,
    Checkpoint,
    Place,
    checkpoint_of,
    checkpoint_text,
    checkpoint_writer,
    witness_of,
)
from asm_async.values.event import Event, EventType, event_type
from asm_async.values.event_feed import FeedLag
from asm_async.values.fields import Count, Text
from asm_async.values.value import Value

B = TypeVar("B", bound=LeasedBatch)


def _types(value: object, name: str) -> frozenset[EventType | str]:
    return frozenset(fields.several(value, name, event_type))


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
    user_id: Text | None = None

    @property
    def leaves_out(self) -> bool:
        """
        Whether there may be events of the session that it does not let through.
        """
        filters = (self.types, self.run_id)
        return self.is_of_some_owner or any(each is not None for each in filters)

    @property
    def is_of_some_owner(self) -> bool:
        """
        Whether it depends on whose the session is.
        """
        return self.tenant_id is not None or self.user_id is not None

    def matches(self, event: Event) -> bool:
        """
        Return whether it lets an event of the session through, but for its owner.
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
    user_id: Text | None = None


@observed
class EventFeedFront(EventFeed, Generic[B]):
    """
    An event feed in front of a backend, which implements the methods marked abstract.

    A backend is given filters in their normal form and places instead of checkpoints.
    It reads logs and keeps leases; how to follow and to consume is the same for all.
    Checkpoints are good for one *kind* of database; *batch* is the class of batches.
    """

    observation: Observation | None = None
    """
    Where it stands who observes it; None where nobody can.
    """

    def __init__(self, *, kind: str, batch: type[B]) -> None:
        self._kind = kind
        self._batch = batch

    @takes_arguments_of(EventFeed.follow_session)
    def follow_session(
        self, session_id: str, *, after: Any, **filters: Any
    ) -> AsyncGenerator[Event]:
        number = after.sequence_number if isinstance(after, Event) else after
        wanted = SessionFeedFilter(session_id=session_id, after=number, **filters)
        reader = self._session_reader(wanted)
        if isinstance(after, Event):
            if after.session_id != session_id or not number:
                raise ValidationError(
                    f"after: expected an event that is stored in session {session_id!r}"
                )
            reader.expect(witness_of(after))
        return follow(reader, wanted.after, lambda event, _: event)

    @takes_arguments_of(EventFeed.follow_all)
    def follow_all(
        self, *, checkpoint: object, **filters: Any
    ) -> AsyncGenerator[tuple[Event, str]]:
        wanted, write = FeedFilter(**filters), checkpoint_writer(self._kind)
        begin, reader = self._checkpoint(checkpoint), self._feed_reader(wanted)
        reader.expect(begin.witness)
        return follow(
            reader,
            begin.place,
            lambda event, at: (event, write(event, at)),
        )

    async def get_latest_checkpoint(self) -> str:
        place, witness = await self._get_latest()
        return checkpoint_text(place, self._kind, witness)

    async def feed_lag(self, *, checkpoint: str | None = None) -> FeedLag:
        return await self._feed_lag(self._checkpoint(checkpoint).place)

    @takes_arguments_of(EventFeed.consumer)
    def consumer(
        self, name: str, *, checkpoint: object, lease_seconds: float, **filters: Any
    ) -> LeasedConsumer[B]:
        options = ConsumerOptions(name=name, lease_seconds=lease_seconds)
        wanted = FeedFilter(**filters)
        return LeasedConsumer(
            options,
            self._leases(options, self._checkpoint(checkpoint)),
            lambda: self._consumer_reader(wanted),
            self._kind,
            self._batch,
        )

    async def delete_consumer(self, name: str) -> None:
        await self._delete_consumer(fields.text(name, "name"))

    def _checkpoint(self, checkpoint: object) -> Checkpoint:
        if checkpoint is None:
            return Checkpoint(START, None)
        return checkpoint_of(checkpoint, "checkpoint", self._kind)

    @abstractmethod
    def _session_reader(self, wanted: SessionFeedFilter) -> EventReader[int]: ...

    @abstractmethod
    def _feed_reader(self, wanted: FeedFilter) -> EventReader[Place]: ...

    def _consumer_reader(self, wanted: FeedFilter) -> EventReader[Place]:
        """
        Return a reader for a durable consumer; another where followers may lag.
        """
        return self._feed_reader(wanted)

    @abstractmethod
    async def _get_latest(self) -> Checkpoint: ...

    @abstractmethod
    async def _feed_lag(self, place: Place) -> FeedLag: ...

    @abstractmethod
    def _leases(self, options: ConsumerOptions, begin: Checkpoint) -> LeaseTable:
        """
        Return where the lease of a consumer is kept, which begins at *begin*.
        """

    @abstractmethod
    async def _delete_consumer(self, name: str) -> None: ...
