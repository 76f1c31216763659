"""
A queue in which each session has its turn.
"""

from __future__ import annotations

from collections import deque
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
        self.count = 0
        self.weight = 0

    def put(self, member: Q) -> None:
        """
        Queue up behind those of the same lane.
        """
        self._lanes.setdefault(member.lane, deque()).append(member)
        self.count += 1
        self.weight += member.weight

    def put_back(self, members: list[Q]) -> None:
        """
        Queue up again, in front of everyone.
        """
        lanes: dict[str, deque[Q]] = {}
        for member in members:
            lanes.setdefault(member.lane, deque()).append(member)
            self.count += 1
            self.weight += member.weight
        for lane, waiting in self._lanes.items():
            lanes.setdefault(lane, deque()).extend(waiting)
        self._lanes = lanes

    def withdraw(self, member: Q) -> None:
        """
        Leave the queue.
        """
        lane = self._lanes[member.lane]
        lane.remove(member)
        if not lane:
            del self._lanes[member.lane]
        self.count -= 1
        self.weight -= member.weight

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
        self.count -= len(group)
        self.weight -= weight
        return group
