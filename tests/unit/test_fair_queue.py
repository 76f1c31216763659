from __future__ import annotations

import random
from collections import Counter

import attrs

from asm_async.sql.writes.queue import FairQueue


@attrs.define(eq=False)
class Waiting:
    """
    A member, named after its partition and its place there.
    """

    partition_key: str
    place: int
    size: int = 1

    @property
    def name(self) -> str:
        """
        Such as ``b2``.
        """
        return f"{self.partition_key}{self.place}"


def names(group: list[Waiting]) -> str:
    """
    Return the members' names on one line.
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


def test_partitions_take_turns() -> None:
    """
    One of each partition leaves in turn, its members in the order they came.
    """
    queue = queue_of(*[Waiting(key, n) for key in "abc" for n in range(3)])

    assert names(queue.take(9, 9)) == "a0 b0 c0 a1 b1 c1 a2 b2 c2"
    assert queue.take(9, 9) == []


def test_a_long_partition_delays_another_by_one_turn() -> None:
    """
    Whoever comes alone, behind two thousand of one partition, is in the next group.
    """
    queue = queue_of(*[Waiting("long", n) for n in range(2_000)])
    queue.take(10, 2_000)
    queue.put(Waiting("short", 0))

    assert names(queue.take(2, 2)) == "long10 short0"


def test_the_turn_goes_on_where_the_last_group_ended() -> None:
    """
    A group that is full leaves the next partition the first turn of the next group.
    """
    queue = queue_of(*[Waiting(key, n) for key in "abc" for n in range(2)])

    assert names(queue.take(2, 9)) == "a0 b0"
    assert names(queue.take(2, 9)) == "c0 a1"
    assert names(queue.take(2, 9)) == "b1 c1"


def test_a_group_ends_once_it_is_heavy() -> None:
    """
    The bound on size may be passed by one member, so that each fits somewhere.
    """
    heavy = [Waiting("a", n, size=7) for n in range(3)]
    queue = queue_of(*heavy)

    assert names(queue.take(9, 8)) == "a0 a1"
    assert names(queue.take(9, 1)) == "a2"


def test_who_is_put_back_stands_in_front() -> None:
    """
    They keep their order, before those of their partition and before the others.
    """
    queue = queue_of(*[Waiting(key, n) for key in "ab" for n in range(2)])
    group = queue.take(3, 9)
    queue.put(Waiting("c", 0))
    queue.put(Waiting("a", 2))
    queue.put_back(group)

    assert names(queue.take(9, 9)) == "a0 b0 c0 a1 b1 a2"


def test_who_withdraws_is_gone() -> None:
    """
    The others of its partition move up, and a partition of one goes with it.
    """
    first, second, alone = Waiting("a", 0), Waiting("a", 1), Waiting("b", 0)
    queue = queue_of(first, second, alone)
    queue.withdraw(first)
    queue.withdraw(alone)

    assert names(queue.take(9, 9)) == "a1"
    assert queue.take(9, 9) == []
    assert queue._partitions == {}


def test_a_partition_that_is_held_has_no_turn() -> None:
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


def test_a_partition_can_be_held_before_anyone_is_in_it() -> None:
    """
    Released while it is empty, or after its members have withdrawn, it leaves nothing.
    """
    queue, member = FairQueue[Waiting](), Waiting("a", 0)
    queue.hold("a")
    queue.put(member)
    queue.withdraw(member)
    queue.release("a")

    assert (queue._partitions, queue._held) == ({}, {})


def test_everyone_can_be_taken() -> None:
    """
    At the end nobody stays behind, held or not; what is held can still be released.
    """
    queue = queue_of(Waiting("a", 0), Waiting("b", 0))
    queue.hold("a")

    assert {member.name for member in queue.take_all()} == {"a0", "b0"}
    queue.release("a")
    assert queue.take_all() == []


def test_a_queue_loses_and_invents_nobody() -> None:
    """
    Whatever happens in whatever order, all leave once, in their partition's order.
    """
    for seed in range(50):
        chance = random.Random(seed)
        queue, left = FairQueue[Waiting](), list[Waiting]()
        standing, places, held = set[Waiting](), Counter[str](), set[str]()
        for _ in range(200):
            match chance.randrange(5):
                case 4:
                    key = chance.choice("abcd")
                    (queue.release if key in held else queue.hold)(key)
                    held ^= {key}
                case 0 | 1:
                    key = chance.choice("abcd")
                    places[key] += 1
                    member = Waiting(key, places[key], chance.randrange(5))
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
                    assert held.isdisjoint(member.partition_key for member in group)
        for key in held:
            queue.release(key)
        rest = queue.take(1_000, 10_000)
        left += rest

        assert set(rest) == standing
        assert len(left) == len(set(left))
        for key in "abcd":
            numbers = [member.place for member in left if member.partition_key == key]
            assert numbers == sorted(numbers)
