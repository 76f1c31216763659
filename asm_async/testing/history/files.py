"""
Histories in files that outlive the process that writes them.

A history is JSON Lines: one line when a call begins, one for each step of an iterator,
one when the call ends. Each is handed to the operating system whole before the process
goes on, so that killing the process loses at most the end of the last line; a call
whose second line is not there has an unknown outcome.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from asm_async.errors import ASMError, StorageError
from asm_async.testing.history.calls import Call, Outcome
from asm_async.testing.history.plain_values import plain

__all__ = ["HistoryWriter", "read_history"]

T = TypeVar("T")


class HistoryWriter:
    """
    Writes down what one process calls.

    Args:
        path: A file that does not exist yet; its name without the ending names the
            process.

        clock: Gives nanoseconds that mean the same in all processes that are checked
            together.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        self._file = os.open(path, flags, 0o644)
        self._clock = clock
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """
        Close the file.
        """
        os.close(self._file)

    async def record(
        self, operation: str, call: Awaitable[T], /, **arguments: Any
    ) -> T:
        """
        Await *call* and write down how it went.

        Args:
            operation: The method's name.

            call: The call, not yet begun.

            arguments: What the method is given.

        Returns:
            What the call returns; what it raises is raised.
        """
        number = self.begin(operation, **arguments)
        try:
            result = await call
        except BaseException as error:
            self.end(number, error=error)
            raise
        self.end(number, result=result)
        return result

    def begin(self, operation: str, /, **arguments: Any) -> int:
        """
        Write down that a call begins now.

        Returns:
            The call's number.
        """
        self._count += 1
        given = {name: plain(v) for name, v in arguments.items() if v is not None}
        facts = {"operation": operation, "arguments": given, "start": self._clock()}
        self._write({"call": self._count, **facts})
        return self._count

    def step(self, number: int, given: Any) -> None:
        """
        Write down what an iterator has given.
        """
        self._write({"call": number, "given": plain(given)})

    def end(
        self, number: int, *, result: Any = None, error: BaseException | None = None
    ) -> None:
        """
        Write down that a call has ended, and how.
        """
        facts: dict[str, Any] = {"call": number, "end": self._clock()}
        if error is None:
            facts |= {"outcome": Outcome.OK, "result": plain(result)}
        else:
            what = {"type": type(error).__name__, "args": plain(error.args)}
            facts |= {"outcome": _outcome_of(error), "error": what}
        self._write(facts)

    def _write(self, facts: dict[str, Any]) -> None:
        line = memoryview(json.dumps(facts).encode("ascii") + b"\n")
        while line:
            line = line[os.write(self._file, line) :]


def read_history(path: Path) -> list[Call]:
    """
    Read what a process has called, in the order in which the calls began.

    Raises:
        ValueError: If a line that is not a torn last one is no JSON.
    """
    calls: dict[int, dict[str, Any]] = {}
    steps: dict[int, list[Any]] = {}
    for facts in _lines(path):
        number = facts["call"]
        if "given" in facts:
            steps.setdefault(number, []).append(facts["given"])
        else:
            calls.setdefault(number, {}).update(facts)
    return [
        _call(path.stem, facts, steps.get(number, []))
        for number, facts in calls.items()
    ]


def _call(process: str, facts: dict[str, Any], given: list[Any]) -> Call:
    return Call(
        process=process,
        number=facts["call"],
        operation=facts["operation"],
        arguments=facts["arguments"],
        start=facts["start"],
        end=facts.get("end"),
        outcome=Outcome(facts.get("outcome", Outcome.UNKNOWN)),
        result=facts.get("result"),
        error=facts.get("error"),
        given=tuple(given),
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    *lines, _torn = path.read_bytes().split(b"\n")
    return map(json.loads, lines)


def _outcome_of(error: BaseException) -> Outcome:
    """
    Return what a caller knows in whom *error* was raised.

    Our own errors promise that nothing was written, unless they say otherwise. Whatever
    else is raised, a cancellation among it, promises nothing.
    """
    if not isinstance(error, ASMError):
        return Outcome.UNKNOWN
    if isinstance(error, StorageError) and error.outcome_unknown:
        return Outcome.UNKNOWN
    return Outcome.FAILED
