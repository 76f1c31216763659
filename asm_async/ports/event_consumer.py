"""
The port through which programs, one at a time, process the feed of all sessions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol, runtime_checkable

from asm_async.values.event import Event

MAX_BATCH_SIZE = 10_000
"""
The most events that one batch holds.
"""

MAX_LEASE_SECONDS = 31_536_000
"""
The longest lease: a year of 365 days.
"""


@runtime_checkable
class EventBatch(Protocol):
    """
    Some events of the feed, in its order, for a consumer to handle.
    """

    @property
    def events(self) -> tuple[Event, ...]:
        """
        The events, of which there is at least one.
        """
        ...

    @property
    def checkpoint(self) -> str:
        """
        The place after the last of them.
        """
        ...

    async def acknowledge(self) -> None:
        """
        Mark these events as handled, and renew the lease.

        The stored checkpoint moves from where this batch began to where it ends, and
        only if it is still there and this holder still has the lease. Acknowledging a
        batch a second time changes nothing.

        Raises:
            LeaseLostError: If another process has taken the lease since; nothing was
                changed, and that one gets these events again.
        """
        ...

    async def renew_lease(self) -> None:
        """
        Keep the lease for another full term, if handling the batch takes long.

        Raises:
            LeaseLostError: If another process has taken the lease since.
        """
        ...


@runtime_checkable
class EventConsumer(Protocol):
    """
    A reader of the feed whose checkpoint the database keeps, under a name.

    **One at a time.** Iterating :meth:`batches` takes a lease; others of the same name,
    in any process, wait for it. The lease is renewed by asking for the next batch,
    while waiting for events, and by :meth:`EventBatch.acknowledge`; nothing renews it
    while a batch is being handled, so that another process can take over from a holder
    that hangs, after *lease_seconds*. Each time it is taken its fencing token grows,
    and only the latest holder can move the checkpoint. Time is measured by the
    database's clock, not by those of other machines.

    **At least once.** Each batch begins after the stored checkpoint. One that was not
    acknowledged, because its handler failed or was killed, is delivered again.

    **Exactly once**, in its effects, if an adapter can acknowledge in the handler's own
    transaction: then both are committed or neither.
    """

    @property
    def name(self) -> str:
        """
        The name under which the checkpoint is kept.
        """
        ...

    def batches(
        self, *, max_size: int = 100, max_wait: float = 0.0
    ) -> AsyncGenerator[EventBatch]:
        """
        Wait for the lease, then yield batch after batch for as long as it is iterated.

        Continuing without acknowledging a batch yields its events again, after a pause
        that grows from 20 milliseconds to a good second. Ending the iteration
        (``aclose``, cancellation, an error) releases the lease at once.

        Args:
            max_size:
                The most events in a batch, from 1 to 10,000. One ends sooner with about
                8 MiB of events.

            max_wait:
                How long, in seconds, to wait for more when there are fewer. No batch is
                ever empty: the first event is waited for without end.

        Raises:
            ValidationError: If a bound is wrong.

            LeaseLostError: If another process has taken the lease while a batch was not
                acknowledged.

            StorageError: As for following.
        """
        ...
