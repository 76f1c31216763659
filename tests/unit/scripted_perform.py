"""
A stand-in for the database: performs groups, and fails when it is told to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from asm_async.errors import StorageError
from asm_async.sql.writes.group_commit import Begin, GroupCommit
from asm_async.sql.writes.operations import AppendEvents, Operation, Outcome
from asm_async.testing.factories import make_event

__all__ = [
    "TIMEOUT",
    "ScriptedPerform",
    "append",
    "group_commit_of",
    "name_of",
    "named",
    "names",
    "submit",
    "within",
]

Perform: TypeAlias = Callable[[Sequence[Operation], float], Awaitable[list[Outcome]]]

TIMEOUT = 3.0
"""
Seconds that no test waits for.
"""


def append(name: str, session_id: str = "ses_1") -> AppendEvents:
    """
    Make the operation that appends the event *name*.
    """
    event = make_event(id=name, session_id=session_id)
    return AppendEvents((event,), None, (("{}", "{}"),))


def name_of(operation: Operation) -> str:
    """
    Give the name of what is written.
    """
    match operation:
        case AppendEvents(events=(event, *_)):
            return event.id
        case _:
            return type(operation).__name__


def named(count: int, session_id: str = "ses_1", first: int = 0) -> list[Operation]:
    """
    Make appends named after their session and their number.
    """
    numbers = range(first, first + count)
    return [append(f"{session_id}-{number}", session_id) for number in numbers]


def names(*operations: Operation) -> list[str]:
    """
    Give the names of what is written.
    """
    return [name_of(operation) for operation in operations]


def group_commit_of(perform: Perform, *, locks_sessions: bool = False) -> GroupCommit:
    """
    Make what is tested; without locks all sessions wait together.
    """

    async def begin_and_perform(
        begin: Begin, deadline: float, lock_timeout: float
    ) -> list[Outcome]:
        end = asyncio.get_running_loop().time() + lock_timeout
        return await perform(begin(), min(deadline, end))

    return GroupCommit(begin_and_perform, locks_sessions=locks_sessions)


def submit(
    groups: GroupCommit, *operations: Operation, timeout: float = TIMEOUT
) -> list[asyncio.Task[Outcome]]:
    """
    Submit *operations*, each in a task of its own.
    """
    return [
        asyncio.create_task(groups.submit(operation, timeout))
        for operation in operations
    ]


def within(seconds: float) -> asyncio.Timeout:
    """
    Bound a test that would otherwise wait for ever.
    """
    return asyncio.timeout(seconds)


class ScriptedPerform:
    """
    What a ``GroupCommit`` is made with.

    Args:
        is_held: Whether each try waits until :meth:`release` lets it end.
    """

    def __init__(self, *, is_held: bool = False) -> None:
        self.tries: list[list[str]] = []
        """
        The names in each try, in order.
        """
        self.deadlines: list[float] = []
        """
        By when each try shall be over.
        """
        self.stored: list[str] = []
        """
        The names of what was written, in order.
        """
        self.failures: deque[Exception | None] = deque()
        """
        How the next tries end; None is success, and so is everything after the last.
        """
        self.poison: dict[str, StorageError] = {}
        """
        What fails each try that holds an operation of this name.
        """
        self._is_held = is_held
        self._begun = asyncio.Semaphore(0)
        self._may_end = asyncio.Semaphore(0)

    async def __call__(
        self, operations: Sequence[Operation], deadline: float
    ) -> list[Outcome]:
        """
        Write *operations*, or fail as a whole.
        """
        names = [name_of(operation) for operation in operations]
        self.tries.append(names)
        self.deadlines.append(deadline)
        self._begun.release()
        if self._is_held:
            await self._may_end.acquire()
        if self.failures and (failure := self.failures.popleft()):
            raise failure
        for name in names:
            if name in self.poison:
                raise self.poison[name]
        self.stored += names
        return [[make_event(id=name)] for name in names]

    async def begun(self, tries: int = 1) -> None:
        """
        Wait until so many further tries have begun.
        """
        for _ in range(tries):
            await self._begun.acquire()

    def release(self, tries: int = 1) -> None:
        """
        Let so many tries end.
        """
        for _ in range(tries):
            self._may_end.release()

    def let_go(self) -> None:
        """
        Hold no further try.
        """
        self._is_held = False
        self._may_end.release()
