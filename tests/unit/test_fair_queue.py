from __future__ import annotations

import random
from collections import Counter

import attrs

from asm_async.sql.writes.fair_queue import FairQueue


@attrs.frozen(eq=False)
class Waiting:
    """
    A member, named after its lane and its place there.
    """

    lane: str
    place: int
    weight: int = 1

    @property
    def name(self) -> str:
        """
        Such as ``b2``.
        """
        return f"{self.lane}{self.place}"


def names(group: list[Waiting]) -> str:
    """
    Give the members' names on one line.
    """
    return " ".join(member.name for member in group)


def queue_of(*members: Waiting) -> FairQueue[Waiting]:
    """
    Make a queue in which *members* stand.
    """
    queue = FairQueue[Waiting]()
    for member in members:
        queue.put(member)
    return queue


def test_lanes_take_turns() -> None:
    """
    One of each lane leaves in turn, each lane's members in the order they came.
    """
    queue = queue_of(*[Waiting(lane, n) for lane in "abc" for n in range(3)])

    assert names(queue.take(9, 9)) == "a0 b0 c0 a1 b1 c1 a2 b2 c2"
    assert queue.take(9, 9) == []


def test_a_long_lane_delays_another_by_one_turn() -> None:
    """
    Whoever comes alone, behind two thousand of one lane, is in the next group.
    """
    queue = queue_of(*[Waiting("long", n) for n in range(2_000)])
    queue.take(10, 2_000)
    queue.put(Waiting("short", 0))

    assert names(queue.take(2, 2)) == "long10 short0"


def test_the_turn_goes_on_where_the_last_group_ended() -> None:
    """
    A group that is full leaves the next lane the first turn of the next group.
    """
    queue = queue_of(*[Waiting(lane, n) for lane in "abc" for n in range(2)])

    assert names(queue.take(2, 9)) == "a0 b0"
    assert names(queue.take(2, 9)) == "c0 a1"
    assert names(queue.take(2, 9)) == "b1 c1"


def test_a_group_ends_once_it_is_heavy() -> None:
    """
    The bound on weight may be passed by one member, so that each fits somewhere.
    """
    heavy = [Waiting("a", n, weight=7) for n in range(3)]
    queue = queue_of(*heavy)

    assert names(queue.take(9, 8)) == "a0 a1"
    assert names(queue.take(9, 1)) == "a2"


def test_who_is_put_back_stands_in_front() -> None:
    """
    They keep their order, before those of their lane and before the other lanes.
    """
    queue = queue_of(*[Waiting(lane, n) for lane in "ab" for n in range(2)])
    group = queue.take(3, 9)
    queue.put(Waiting("c", 0))
    queue.put(Waiting("a", 2))
    queue.put_back(group)

    assert names(queue.take(9, 9)) == "a0 b0 c0 a1 b1 a2"


def test_who_withdraws_is_gone() -> None:
    """
    The others of its lane move up, and a lane of one goes with it.
    """
    first, second, alone = Waiting("a", 0), Waiting("a", 1), Waiting("b", 0)
    queue = queue_of(first, second, alone)
    queue.withdraw(first)
    queue.withdraw(alone)

    assert names(queue.take(9, 9)) == "a1"
    assert queue.take(9, 9) == []
    assert queue._lanes == {}


def test_a_lane_that_is_held_has_no_turn() -> None:
    """
    Its members wait in their order, whenever they came, until it is released.
    """
    members = [Waiting("a", n) for n in range(5)]
    queue = queue_of(members[2], Waiting("b", 0))
    queue.hold("a")
    queue.put(members[3])
    queue.put(members[4])
    queue.put_back([*members[:2], Waiting("c", 0)])
    queue.withdraw(members[3])

    assert names(queue.take(9, 9)) == "c0 b0"
    assert queue.take(9, 9) == []
    queue.release("a")
    assert names(queue.take(9, 9)) == "a0 a1 a2 a4"


def test_a_lane_can_be_held_before_anyone_is_in_it() -> None:
    """
    Released while it is empty, or after its members have withdrawn, it leaves nothing.
    """
    queue, member = FairQueue[Waiting](), Waiting("a", 0)
    queue.hold("a")
    queue.put(member)
    queue.withdraw(member)
    queue.release("a")

    assert (queue._lanes, queue._held) == ({}, {})


def test_everyone_can_be_taken() -> None:
    """
    At the end nobody stays behind, be their lane held or not; it can still be released.
    """
    queue = queue_of(Waiting("a", 0), Waiting("b", 0))
    queue.hold("a")

    assert {member.name for member in queue.take_all()} == {"a0", "b0"}
    queue.release("a")
    assert queue.take_all() == []


def test_a_queue_loses_and_invents_nobody() -> None:
    """
    Whatever happens in whatever order, all leave once, in their lane's order.
    """
    for seed in range(50):
        chance = random.Random(seed)
        queue, left = FairQueue[Waiting](), list[Waiting]()
        standing, places, held = set[Waiting](), Counter[str](), set[str]()
        for _ in range(200):
            match chance.randrange(5):
                case 4:
                    lane = chance.choice("abcd")
                    (queue.release if lane in held else queue.hold)(lane)
                    held ^= {lane}
                case 0 | 1:
                    lane = chance.choice("abcd")
                    places[lane] += 1
                    member = Waiting(lane, places[lane], chance.randrange(5))
                    queue.put(member)
                    standing.add(member)
                case 2 if standing:
                    gone = chance.choice(sorted(standing, key=lambda m: m.name))
                    queue.withdraw(gone)
                    standing.remove(gone)
                case _:
                    group = queue.take(chance.randrange(6), chance.randrange(9))
                    kept = chance.randrange(len(group) + 1)
                    queue.put_back(group[kept:])
                    left += group[:kept]
                    standing -= set(group[:kept])
                    assert held.isdisjoint(member.lane for member in group)
        for lane in held:
            queue.release(lane)
        rest = queue.take(1_000, 10_000)
        left += rest

        assert set(rest) == standing
        assert len(left) == len(set(left))
        for lane in "abcd":
            in_lane = [member.place for member in left if member.lane == lane]
            assert in_lane == sorted(in_lane)
