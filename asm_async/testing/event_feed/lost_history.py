"""
What a follower gave is still there when another goes on behind it, or it is said.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async.errors import HistoryLostError, InvalidCheckpointError, ValidationError
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import EventFeedBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.event_feed.contract import EventFeedContract, take
from asm_async.testing.factories import make_event, make_events, make_session
from asm_async.testing.session_store.contract import numbers_of
from asm_async.values.checkpoint import (
    Checkpoint,
    Witness,
    checkpoint_of,
    checkpoint_text,
)

__all__ = ["TestLostHistory"]


def _read(checkpoint: str) -> tuple[Checkpoint, str]:
    for kind in ("memory", "sqlite", "postgresql"):
        try:
            return checkpoint_of(checkpoint, "checkpoint", kind), kind
        except InvalidCheckpointError:
            continue
    raise AssertionError(checkpoint)


class TestLostHistory(EventFeedContract):
    """
    Pruning and deletion are history, too; an event that never was there is not.
    """

    async def test_a_checkpoint_outlives_its_event(
        self, backend: EventFeedBackend, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Resuming where an event was pruned or deleted yields what comes behind it.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(4))
        await store.save_session(make_session(id="ses_2"))
        await store.append_events(make_events(1, session_id="ses_2"))
        places = await take(feed.follow_all(), 5)
        (_, pruned), (_, deleted) = places[1], places[4]

        await backend.prune("ses_1", [2, 3])
        await store.delete_session("ses_2")
        await store.append_events(make_events(1, first=5))

        found = await take(feed.follow_all(checkpoint=pruned), 2)
        assert numbers_of([event for event, _ in found]) == [4, 5]
        found = await take(feed.follow_all(checkpoint=deleted), 1)
        assert numbers_of([event for event, _ in found]) == [5]

    async def test_a_consumer_outlives_the_event_it_came_to(
        self, backend: EventFeedBackend, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        It goes on behind the event that it acknowledged last, which was pruned.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(2))
        for batch in await take(feed.consumer("one").batches(), 1):
            await batch.acknowledge()
        await backend.prune("ses_1", [1, 2])
        await store.append_events(make_events(1, first=3))

        (batch,) = await take(feed.consumer("one").batches(), 1)

        assert numbers_of(batch.events) == [3]

    @needs(Capability.ONE_FEED)
    @pytest.mark.parametrize(
        "witness",
        [
            Witness("ses_1", 2, 0),
            Witness("ses_1", 7, 0),
            Witness("another", 2, 0),
            Witness("ses_1", 1, 0),
        ],
        ids=["another_event", "beyond_its_end", "another_session", "another_number"],
    )
    async def test_a_checkpoint_of_another_history_is_refused(
        self, store: SessionStore, feed: EventFeed, witness: Witness
    ) -> None:
        """
        At its place stands another event than the one that it came with.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(3))
        (_, _), (_, checkpoint) = await take(feed.follow_all(), 2)
        (place, _), kind = _read(checkpoint)
        other = checkpoint_text(place, kind, witness)

        with pytest.raises(HistoryLostError, match=r"^checkpoint: event .*: docs/"):
            await take(feed.follow_all(checkpoint=other), 1)
        with pytest.raises(HistoryLostError, match=r"^checkpoint"):
            await take(feed.consumer("one", checkpoint=other).batches(), 1)

    async def test_a_session_is_resumed_behind_an_event(
        self, backend: EventFeedBackend, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        If that is gone, it was removed; if another has its number, it was lost.
        """
        await store.save_session(make_session())
        stored = await store.append_events(make_events(4))
        found = await take(feed.follow_session("ses_1", after=stored[1]), 2)
        assert numbers_of(found) == [3, 4]
        await backend.prune("ses_1", [2])
        found = await take(feed.follow_session("ses_1", after=stored[1]), 2)
        assert numbers_of(found) == [3, 4]

        for lost in (
            attrs.evolve(stored[2], id="another"),
            attrs.evolve(stored[2], sequence_number=5),
        ):
            with pytest.raises(HistoryLostError, match=r"^session 'ses_1': event"):
                await take(feed.follow_session("ses_1", after=lost), 1)

    async def test_only_a_stored_event_of_the_session_can_be_resumed_behind(
        self, feed: EventFeed
    ) -> None:
        """
        Neither one that has no number yet nor one of another session.
        """
        for event in (
            make_event(),
            make_event(session_id="ses_2", sequence_number=1),
        ):
            with pytest.raises(ValidationError, match=r"^after: expected an event"):
                feed.follow_session("ses_1", after=event)

    async def test_a_session_of_the_longest_id_has_checkpoints(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Also where each of its characters takes four bytes.
        """
        session_id = "\U0001f600" * 255
        await store.save_session(make_session(id=session_id))
        await store.append_events(make_events(2, session_id=session_id))
        (_, checkpoint), _ = await take(feed.follow_all(), 2)
        (batch,) = await take(feed.consumer("one").batches(max_size=1), 1)
        assert batch.checkpoint == checkpoint
        await batch.acknowledge()
        ((event, _),) = await take(feed.follow_all(checkpoint=checkpoint), 1)
        assert event.sequence_number == 2
        (batch,) = await take(feed.consumer("one").batches(), 1)
        assert batch.events == (event,)
