"""
Events that are handed over to a follower, and when the database must be read instead.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async import Event
from asm_async.ports.following import READ_BATCH_SIZE
from asm_async.sql.notifications.committed_event import CommittedEvent
from asm_async.sql.notifications.wake_up import (
    HandoffBuffer,
    WakeUp,
    number_in_feed,
    number_in_session,
)
from asm_async.testing.factories import make_event
from asm_async.values.json_values import encode_json


def committed(*numbers: int) -> list[CommittedEvent]:
    """
    Make committed events of these numbers.
    """
    return [
        CommittedEvent(
            make_event(id=f"evt_{number}", sequence_number=number), "{}", "{}"
        )
        for number in numbers
    ]


def numbers_of(taken: list[CommittedEvent] | None) -> list[int] | None:
    """
    Give the numbers of what was taken.
    """
    return taken if taken is None else [event.number for event in taken]


@pytest.fixture
def inbox() -> HandoffBuffer:
    """
    Give the inbox of a follower that has just read up to number 4.
    """
    inbox = HandoffBuffer(number_in_session)
    inbox.clear()
    inbox.seen = (0, 4)
    return inbox


def test_what_comes_next_is_taken_without_reading(inbox: HandoffBuffer) -> None:
    """
    Events behind the last one that was seen are given in order, as many as are wanted.
    """
    inbox.offer(committed(5))
    inbox.offer(committed(6, 7))

    assert inbox.is_set()
    assert not inbox.must_read
    assert numbers_of(inbox.drain((0, 4), 2)) == [5, 6]
    assert (inbox.is_set(), inbox.is_empty, inbox.seen) == (True, False, (0, 6))
    assert numbers_of(inbox.drain((0, 6), 2)) == [7]
    assert (inbox.is_set(), inbox.is_empty, inbox.seen) == (False, True, (0, 7))
    assert inbox.drain((0, 7), 2) == []


@pytest.mark.parametrize(
    "blocks", [[[6]], [[5], [7]], [[5, 7]], [[7], [5, 6]]], ids=str
)
def test_where_a_number_is_missing_the_database_is_read(
    inbox: HandoffBuffer, blocks: list[list[int]]
) -> None:
    """
    Nothing is given behind a hole, however the blocks come.
    """
    for block in blocks:
        inbox.offer(committed(*block))

    assert inbox.is_set()
    assert inbox.drain((0, 4), 9) is None


def test_what_was_seen_already_is_left_out(inbox: HandoffBuffer) -> None:
    """
    A block that tells late, or again, gives nothing twice and makes no hole.
    """
    inbox.offer(committed(3, 4))
    assert not inbox.is_set()

    inbox.offer(committed(4, 5, 6))
    inbox.offer(committed(5, 6, 7))

    assert numbers_of(inbox.drain((0, 4), 9)) == [5, 6, 7]


def test_what_is_handed_in_while_the_database_is_read_is_not_lost() -> None:
    """
    The reading may have found some of it, all, or nothing.
    """
    for read_up_to, expected in [(4, [5, 6]), (5, [6]), (6, []), (7, []), (3, None)]:
        inbox = HandoffBuffer(number_in_session)
        inbox.clear()
        inbox.offer(committed(5, 6))
        inbox.seen = (0, read_up_to)

        assert numbers_of(inbox.drain((0, read_up_to), 9)) == expected


def test_whoever_goes_back_reads(inbox: HandoffBuffer) -> None:
    """
    What was taken is not there any more, and what was not is no use further on.
    """
    inbox.offer(committed(5, 6, 7))
    assert numbers_of(inbox.drain((0, 4), 2)) == [5, 6]

    assert inbox.drain((0, 4), 9) is None
    assert inbox.drain((0, 7), 9) is None


def test_in_the_feed_positions_count() -> None:
    """
    Events of many sessions are one row.
    """
    inbox = HandoffBuffer(number_in_feed)
    inbox.clear()
    events = [
        attrs.evolve(event, position=position)
        for position, event in enumerate(committed(9, 1, 10), 1)
    ]
    inbox.offer(events[:2])
    inbox.offer(events[2:])

    assert inbox.known == (0, 3)
    assert inbox.drain((0, 0), 9) == events
    assert inbox.seen == (0, 3)


def test_any_other_hint_has_the_database_read(inbox: HandoffBuffer) -> None:
    """
    Once it is set nothing is taken until a reading has begun.
    """
    inbox.offer(committed(5))
    inbox.set()
    inbox.offer(committed(6))

    assert inbox.must_read
    assert inbox.drain((0, 4), 9) is None
    inbox.clear()
    assert (inbox.is_set(), inbox.is_empty) == (False, True)


def test_what_a_late_watcher_tells_of_is_known(inbox: HandoffBuffer) -> None:
    """
    News of what was handed in has nobody read; news of more has.
    """
    inbox.offer(committed(5, 6))

    inbox.notify_up_to((0, 6))
    assert not inbox.must_read
    inbox.notify_up_to((0, 7))
    assert inbox.must_read


def test_a_slow_follower_holds_no_more_than_one_that_reads(
    inbox: HandoffBuffer,
) -> None:
    """
    What comes too fast is dropped, to be read later.
    """
    inbox.offer(committed(*range(5, 5 + READ_BATCH_SIZE)))
    assert not inbox.must_read

    inbox.offer(committed(5 + READ_BATCH_SIZE))

    assert (inbox.must_read, inbox.is_empty) == (True, True)


def test_a_plain_hint_takes_nothing() -> None:
    """
    Whoever needs the database for other reasons is told to read it.
    """
    hint = WakeUp()
    hint.clear()
    hint.offer(committed(1))

    assert hint.is_set()
    assert hint.drain((0, 0), 9) is None


def test_a_committed_event_is_the_stored_one_and_nobody_elses() -> None:
    """
    Each reading gives a new event, equal to the stored one, whatever becomes of others.
    """
    event = make_event(sequence_number=3, data={"a": [1, "\ud800", {"b": None}]})
    texts = encode_json(event.data), encode_json(event.metadata)
    kept = CommittedEvent(event, *texts)
    before = Event.from_dict(event.to_dict())
    event.data["a"] = "changed"

    first, second = kept.read(), kept.read()
    assert first == second == before
    first.data["a"] = "changed, too"
    assert second == before
    assert [type(value) for value in attrs.astuple(second, recurse=False)] == [
        type(value) for value in attrs.astuple(before, recurse=False)
    ]
