"""
Events that are handed over to a follower, and when the database must be read instead.
"""

from __future__ import annotations

import attrs
import pytest

from asm_async import Event
from asm_async.fronts.following import MAX_HELD_BYTES, READ_BATCH_SIZE
from asm_async.sql.notifications.committed_events import (
    CommittedEvent,
    stored_event,
)
from asm_async.sql.notifications.hub import NotificationHub, WakeUp
from asm_async.testing.factories import make_event
from asm_async.values.json_values import encode_json


def committed(*numbers: int) -> list[tuple[int, CommittedEvent]]:
    """
    Make committed events of these numbers.
    """
    return [
        (
            number,
            (
                make_event(id=f"evt_{number}", sequence_number=number),
                ("{}", "{}"),
            ),
        )
        for number in numbers
    ]


def numbers_of(drained: list[tuple[int, CommittedEvent]] | None) -> list[int] | None:
    """
    Return the numbers of what was drained.
    """
    return drained if drained is None else [number for number, _ in drained]


def new_buffer() -> WakeUp:
    """
    Make the wake-up of a follower that begins to read.
    """
    buffer = WakeUp(takes_events=True)
    buffer.clear()
    return buffer


@pytest.fixture
def buffer() -> WakeUp:
    """
    Return the wake-up of a follower that has just read up to number 4.
    """
    buffer = new_buffer()
    buffer.seen = (0, 4)
    return buffer


def test_what_comes_next_is_taken_without_reading(buffer: WakeUp) -> None:
    """
    Events behind the last one that was seen are given in order, as many as are wanted.
    """
    buffer.offer(committed(5))
    buffer.offer(committed(6, 7))

    assert buffer.is_set()
    assert not buffer.must_read
    assert numbers_of(buffer.drain((0, 4), 2)) == [5, 6]
    assert (buffer.is_set(), buffer.is_empty, buffer.seen) == (True, False, (0, 6))
    assert numbers_of(buffer.drain((0, 6), 2)) == [7]
    assert (buffer.is_set(), buffer.is_empty, buffer.seen) == (False, True, (0, 7))
    assert buffer.drain((0, 7), 2) == []


@pytest.mark.parametrize(
    "blocks", [[[6]], [[5], [7]], [[5, 7]], [[7], [5, 6]]], ids=str
)
def test_where_a_number_is_missing_the_database_is_read(
    buffer: WakeUp, blocks: list[list[int]]
) -> None:
    """
    Nothing is given behind a hole, however the blocks come.
    """
    for block in blocks:
        buffer.offer(committed(*block))

    assert buffer.is_set()
    assert buffer.drain((0, 4), 9) is None


def test_what_was_seen_already_is_left_out(buffer: WakeUp) -> None:
    """
    A block that tells late, or again, gives nothing twice and makes no hole.
    """
    buffer.offer(committed(3, 4))
    assert not buffer.is_set()

    buffer.offer(committed(4, 5, 6))
    buffer.offer(committed(5, 6, 7))

    assert numbers_of(buffer.drain((0, 4), 9)) == [5, 6, 7]


def test_what_is_handed_in_while_the_database_is_read_is_not_lost() -> None:
    """
    The reading may have found some of it, all, or nothing.
    """
    for read_up_to, expected in [(4, [5, 6]), (5, [6]), (6, []), (7, []), (3, None)]:
        buffer = new_buffer()
        buffer.offer(committed(5, 6))
        buffer.seen = (0, read_up_to)

        assert numbers_of(buffer.drain((0, read_up_to), 9)) == expected


def test_whoever_goes_back_reads(buffer: WakeUp) -> None:
    """
    What was taken is not there any more, and what was not is no use further on.
    """
    buffer.offer(committed(5, 6, 7))
    assert numbers_of(buffer.drain((0, 4), 2)) == [5, 6]

    assert buffer.drain((0, 4), 9) is None
    assert buffer.drain((0, 7), 9) is None


def test_in_the_feed_positions_count() -> None:
    """
    Events of many sessions are one row.
    """
    hub = NotificationHub()
    events = [event for _, event in committed(9, 1, 10)]
    with hub.waiting_for(None, WakeUp(takes_events=True)) as buffer:
        buffer.clear()
        hub.publish((), events[:2], 1)
        hub.publish((), events[2:], 3)

        assert buffer.known == (0, 3)
        assert buffer.drain((0, 0), 9) == list(enumerate(events, 1))
        assert buffer.seen == (0, 3)


def test_what_was_not_only_appended_to_is_read() -> None:
    """
    Where more was done to a session, or places are unknown, the database tells.
    """
    hub = NotificationHub()
    events = [event for _, event in committed(1, 2)]
    with (
        hub.waiting_for("ses_1", WakeUp(takes_events=True)) as one,
        hub.waiting_for(None, WakeUp(takes_events=True)) as all_,
    ):
        for changed, position in [({"ses_1"}, 1), (set[str](), None)]:
            one.clear()
            all_.clear()
            hub.publish(changed, events, position)

            assert all_.must_read
            assert one.must_read is bool(changed)


def test_any_other_hint_has_the_database_read(buffer: WakeUp) -> None:
    """
    Once it is set nothing is taken until a reading has begun.
    """
    buffer.offer(committed(5))
    buffer.set()
    buffer.offer(committed(6))

    assert buffer.must_read
    assert buffer.drain((0, 4), 9) is None
    buffer.clear()
    assert (buffer.is_set(), buffer.is_empty) == (False, True)


def test_what_a_late_watcher_tells_of_is_known(buffer: WakeUp) -> None:
    """
    News of what was handed in has nobody read; news of more has.
    """
    buffer.offer(committed(5, 6))

    buffer.notify_up_to((0, 6))
    assert not buffer.must_read
    buffer.notify_up_to((0, 7))
    assert buffer.must_read


def test_a_slow_follower_holds_no_more_than_one_that_reads(
    buffer: WakeUp,
) -> None:
    """
    What comes too fast is dropped, to be read later.
    """
    buffer.offer(committed(*range(5, 5 + READ_BATCH_SIZE)))
    assert not buffer.must_read

    buffer.offer(committed(5 + READ_BATCH_SIZE))

    assert (buffer.must_read, buffer.is_empty) == (True, True)


def test_a_slow_follower_holds_no_more_bytes_than_one_that_reads(
    buffer: WakeUp,
) -> None:
    """
    One large event is buffered; with a second one the database is read instead.
    """
    large = '"' + "x" * MAX_HELD_BYTES + '"'

    def offered(number: int) -> list[tuple[int, CommittedEvent]]:
        ((_, (event, _)),) = committed(number)
        return [(number, (event, (large, "{}")))]

    buffer.offer(offered(5))
    assert not buffer.must_read

    buffer.offer(offered(6))
    assert (buffer.must_read, buffer.is_empty) == (True, True)


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
    before = Event.from_dict(event.to_dict())
    event.data["a"] = "changed"

    first, second = stored_event((event, texts)), stored_event((event, texts))
    assert first == second == before
    first.data["a"] = "changed, too"
    assert second == before
    assert [type(value) for value in attrs.astuple(second, recurse=False)] == [
        type(value) for value in attrs.astuple(before, recurse=False)
    ]


def test_a_reader_is_woken_once_for_the_same_number() -> None:
    """
    One that always reads need not read again for what it was woken for.
    """
    wake_up = WakeUp()
    wake_up.notify_up_to((0, 5))
    assert wake_up.is_set()
    wake_up.clear()
    wake_up.notify_up_to((0, 5))
    assert not wake_up.is_set()
    wake_up.notify_up_to((0, 6))
    assert wake_up.is_set()
