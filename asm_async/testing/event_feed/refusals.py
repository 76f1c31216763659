"""
What is refused before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pytest

from asm_async.errors import InvalidCheckpointError, ValidationError
from asm_async.ports.event_consumer import MAX_LEASE_SECONDS
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.session_store import SessionStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.event_feed.contract import EventFeedContract, take
from asm_async.testing.factories import make_events
from asm_async.values.checkpoint import checkpoint_text

__all__ = ["TestFeedRefusals"]

Call: TypeAlias = Callable[[Any], object]

# The argument at fault, and the call.
_CALLS: Mapping[str, tuple[str, Call]] = {
    "id_of_nothing": ("session_id", lambda feed: feed.follow_session("")),
    "id_of_another_kind": ("session_id", lambda feed: feed.follow_session(1)),
    "after_below_0": ("after", lambda feed: feed.follow_session("ses_1", after=-1)),
    "after_no_number": ("after", lambda feed: feed.follow_session("ses_1", after="1")),
    "types_a_number": ("types", lambda feed: feed.follow_session("ses_1", types=1)),
    "type_unknown": ("types", lambda feed: feed.follow_session("ses_1", types="x")),
    "types_unknown": ("types", lambda feed: feed.follow_session("ses_1", types=["x"])),
    "run_id_empty": ("run_id", lambda feed: feed.follow_session("ses_1", run_id="")),
    "until_over_a_number": (
        "until_over",
        lambda feed: feed.follow_session("ses_1", until_over=1),
    ),
    "all_types_a_number": ("types", lambda feed: feed.follow_all(types=1.5)),
    "agent_id_empty": ("agent_id", lambda feed: feed.follow_all(agent_id="")),
    "name_empty": ("name", lambda feed: feed.consumer("")),
    "name_too_long": ("name", lambda feed: feed.consumer("x" * 256)),
    "lease_of_no_time": (
        "lease_seconds",
        lambda feed: feed.consumer("one", lease_seconds=0),
    ),
    "lease_without_end": (
        "lease_seconds",
        lambda feed: feed.consumer("one", lease_seconds=float("inf")),
    ),
    "lease_too_long": (
        "lease_seconds",
        lambda feed: feed.consumer("one", lease_seconds=MAX_LEASE_SECONDS + 1),
    ),
    "lease_of_an_age": (
        "lease_seconds",
        lambda feed: feed.consumer("one", lease_seconds=10**400),
    ),
    "consumer_types": ("types", lambda feed: feed.consumer("one", types=["x"])),
    "no_size": ("max_size", lambda feed: feed.consumer("one").batches(max_size=0)),
    "size_too_large": (
        "max_size",
        lambda feed: feed.consumer("one").batches(max_size=10_001),
    ),
    "wait_below_0": (
        "max_wait",
        lambda feed: feed.consumer("one").batches(max_wait=-1),
    ),
}

_CHECKPOINTS: Mapping[str, Any] = {
    "empty": "",
    "no_text": 7,
    "no_base64": "?!",
    "no_ascii": "é",
    "too_long": "A" * 500,
    "of_another_kind": checkpoint_text((1, 1), "nowhere"),
    "beyond_all_positions": checkpoint_text((0, 2**63), "sqlite"),
    "beyond_all_transactions": checkpoint_text((2**63, 0), "postgresql"),
    "beyond_all_events": checkpoint_text((2**63, 2**63), "memory"),
    "without_its_end": checkpoint_text((1, 1), "memory")[:-2],
}


class TestFeedRefusals(EventFeedContract):
    """
    Bad arguments are refused at the call, by name, and not first by the iteration.
    """

    @pytest.mark.parametrize(("name", "call"), _CALLS.values(), ids=_CALLS)
    async def test_a_bad_argument_is_refused(
        self, feed: EventFeed, name: str, call: Call
    ) -> None:
        """
        The message begins with the argument's name.
        """
        with pytest.raises(ValidationError, match=rf"^{name}"):
            call(feed)

    @pytest.mark.parametrize("checkpoint", _CHECKPOINTS.values(), ids=_CHECKPOINTS)
    async def test_a_bad_checkpoint_is_refused(
        self, feed: EventFeed, checkpoint: Any
    ) -> None:
        """
        Wherever one is taken.
        """
        with pytest.raises(InvalidCheckpointError, match=r"^checkpoint"):
            feed.follow_all(checkpoint=checkpoint)
        with pytest.raises(InvalidCheckpointError, match=r"^checkpoint"):
            feed.consumer("one", checkpoint=checkpoint)
        with pytest.raises(InvalidCheckpointError, match=r"^checkpoint"):
            await feed.feed_lag(checkpoint=checkpoint)

    async def test_a_checkpoint_that_was_changed_is_refused(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        Not one character can be changed, added or left out.
        """
        _ = store
        checkpoint = await feed.get_latest_checkpoint()
        for place in range(len(checkpoint)):
            other = "A" if checkpoint[place] != "A" else "B"
            changed = checkpoint[:place] + other + checkpoint[place + 1 :]
            with pytest.raises(InvalidCheckpointError):
                feed.follow_all(checkpoint=changed)
            with pytest.raises(InvalidCheckpointError):
                feed.follow_all(checkpoint=checkpoint[:place])

    @needs(Capability.ONE_FEED)
    async def test_a_checkpoint_ahead_of_the_feed_is_refused(
        self, store: SessionStore, feed: EventFeed
    ) -> None:
        """
        It is of another database, or of this one before something older was restored.
        """
        _ = store
        beginning = await feed.get_latest_checkpoint()
        kinds = ["memory", "sqlite", "postgresql"]
        (ahead,) = [
            text
            for text in (checkpoint_text((2**60, 2**60), kind) for kind in kinds)
            if _is_taken(feed, text)
        ]
        with pytest.raises(InvalidCheckpointError, match=r"^checkpoint"):
            await take(feed.follow_all(checkpoint=ahead), 1)
        with pytest.raises(InvalidCheckpointError, match=r"^checkpoint"):
            await take(feed.consumer("one", checkpoint=ahead).batches(), 1)
        assert _is_taken(feed, beginning)

    async def test_a_name_is_checked_before_anything_is_forgotten(
        self, feed: EventFeed
    ) -> None:
        """
        An empty one is refused.
        """
        with pytest.raises(ValidationError, match=r"^name"):
            await feed.delete_consumer("")

    async def test_what_was_refused_leaves_the_feed_as_it_was(
        self, store: SessionStore, feed: EventFeed, session: object
    ) -> None:
        """
        A follower that is asked for afterwards works.
        """
        _ = session
        with pytest.raises(ValidationError):
            feed.follow_session("")
        stored = await store.append_events(make_events(1))
        assert await take(feed.follow_session("ses_1"), 1) == stored


def _is_taken(feed: EventFeed, checkpoint: str) -> bool:
    try:
        feed.follow_all(checkpoint=checkpoint)
    except InvalidCheckpointError:
        return False
    return True
