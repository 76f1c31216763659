"""
A queue in which each session has its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, Protocol, TypeVar

__all__ = ["FairQueue"]


class Queued(Protocol):
    """
    What can stand in the queue.
    """

    @property
    def lane(self) -> str:
        """
        Those of one lane leave in the order in which they came.
        """
        ...

    @property
    def weight(self) -> int:
        """
        How much of a group's bound it takes up.
        """
        ...


Q = TypeVar("Q", bound=Queued)


class FairQueue(Generic[Q]):
    """
    Lanes that take turns, so that a long one does not keep the others waiting.
    """

    def __init__(self) -> None:
        self._lanes: dict[str, deque[Q]] = {}
        self._held: dict[str, deque[Q]] = {}

    def put(self, member: Q) -> None:
        """
        Queue up behind those of the same lane.
        """
        lanes = self._held if member.lane in self._held else self._lanes
        lanes.setdefault(member.lane, deque()).append(member)

    def put_back(self, members: Iterable[Q]) -> None:
        """
        Queue up again, in front of everyone; the members of a lane in their order.
        """
        lanes: dict[str, deque[Q]] = {}
        for member in members:
            lanes.setdefault(member.lane, deque()).append(member)
        for name in lanes.keys() & self._held.keys():
            self._held[name].extendleft(reversed(lanes.pop(name)))
        for name, waiting in self._lanes.items():
            lanes.setdefault(name, deque()).extend(waiting)
        self._lanes = lanes

    def withdraw(self, member: Q) -> None:
        """
        Leave the queue.
        """
        lanes = self._held if member.lane in self._held else self._lanes
        lane = lanes[member.lane]
        lane.remove(member)
        if not lane and lanes is self._lanes:
            del lanes[member.lane]

    def is_held(self, lane: str) -> bool:
        """
        Tell whether a lane's members are being kept in the queue.
        """
        return lane in self._held

    def hold(self, lane: str) -> None:
        """
        Keep a lane's members in the queue until :meth:`release`.
        """
        self._held[lane] = self._lanes.pop(lane, deque())

    def release(self, lane: str) -> None:
        """
        Let a lane have its turn again.
        """
        if waiting := self._held.pop(lane):
            self._lanes[lane] = waiting

    def take(self, most: int, most_weight: int) -> list[Q]:
        """
        Take the next group: one of each lane in turn, until a bound is reached.

        Args:
            most: At most so many members.

            most_weight: No further member once the group weighs so much.
        """
        group: list[Q] = []
        weight = 0
        while self._lanes and len(group) < most and weight < most_weight:
            # A dict keeps the order of insertion: the first lane goes to the end.
            name = next(iter(self._lanes))
            lane = self._lanes.pop(name)
            member = lane.popleft()
            if lane:
                self._lanes[name] = lane
            group.append(member)
            weight += member.weight
        return group

    def take_all(self) -> list[Q]:
        """
        Take everyone, also those of lanes that are held.
        """
        waiting = [*self._lanes.values(), *self._held.values()]
        self._lanes = {}
        self._held = {name: deque() for name in self._held}
        return [member for lane in waiting for member in lane]
