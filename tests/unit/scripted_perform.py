"""
A stand-in for the database: performs groups, and fails when it is told to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from asm_async.errors import ASMError, StorageError
from asm_async.fronts.log_records import LogThrottle
from asm_async.sql.transactions.call_log import CallLog
from asm_async.sql.writes.append_plan import AppendEvents
from asm_async.sql.writes.group_commit import GroupCommit
from asm_async.sql.writes.operations import Operation, Outcome, Written
from asm_async.sql.writes.queue import Begin, Ended, Interrupt
from asm_async.sql.writes.writer import Writer
from asm_async.testing.factories import make_event

__all__ = [
    "TIMEOUT",
    "ScriptedPerform",
    "ScriptedWriter",
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
    Return the name of what is written.
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
    Return the names of what is written.
    """
    return [name_of(operation) for operation in operations]


class ScriptedWriter(Writer):
    """
    A writer of groups that has each performed by *perform*.

    Args:
        perform: Is given the operations, and by when it shall be over.
    """

    takes_lane: bool = True
    """
    Whether groups can be started at once, without a task that drains.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._tasks: set[asyncio.Task[list[Outcome]]] = set()
        self.call_log = CallLog(LogThrottle)
        self.started: int = 0
        """
        How many groups took the lane.
        """
        self.interrupted: int = 0
        """
        How often a transaction was to be interrupted.
        """
        self.on_interrupt: Callable[[], None] = lambda: None
        """
        What an interruption does, beside being counted.
        """
        self.tested: int = 0
        """
        How many groups were to be written on a connection that answers.
        """

    def start(
        self, operations: Sequence[Operation], timeout: float, ended: Ended
    ) -> Interrupt | None:
        """
        Perform in a task of the stand-in's own, as a thread or a server would.
        """
        if not self.takes_lane:
            return None
        loop = asyncio.get_running_loop()

        def landed(task: asyncio.Task[list[Outcome]]) -> None:
            self._tasks.discard(task)
            if task.cancelled():
                return
            error = task.exception()
            if error is None:
                ended(Written(outcomes=task.result()), None)
            elif isinstance(error, Exception):
                ended(None, error)

        self.started += 1
        task = loop.create_task(self._run(operations, loop.time() + timeout))
        self._tasks.add(task)
        task.add_done_callback(landed)
        return self._interrupt

    def _interrupt(self) -> None:
        self.interrupted += 1
        self.on_interrupt()

    def is_final(self, error: StorageError) -> bool:  # noqa: ARG002 - as it is called
        """
        Have everything tried again that may be.
        """
        return False

    async def write(
        self, begin: Begin, deadline: float, timeout: float, *, is_tested: bool = False
    ) -> Written:
        """
        Perform as the task that drains asks for it.
        """
        end = min(deadline, asyncio.get_running_loop().time() + timeout)
        self.tested += is_tested
        operations = begin(self._interrupt)
        return Written(outcomes=await self._run(operations, end))

    async def _run(
        self, operations: Sequence[Operation], deadline: float
    ) -> list[Outcome]:
        return await self._perform(operations, deadline)


def group_commit_of(perform: Perform, *, locks_sessions: bool = False) -> GroupCommit:
    """
    Make what is tested; without locks all sessions wait together.
    """
    return GroupCommit(ScriptedWriter(perform), locks_sessions=locks_sessions)


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
        self.refusals: dict[str, ASMError] = {}
        """
        What an operation of this name is refused with.
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
        self.stored += [name for name in names if name not in self.refusals]
        return [self.refusals.get(name) or [make_event(id=name)] for name in names]

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
