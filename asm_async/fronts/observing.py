"""
Who observes the calls of a port: nobody, unless an integration does.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

import attrs

from asm_async.values.event import Event
from asm_async.values.run import Run

F = TypeVar("F", bound=type)
M = TypeVar("M", bound=Callable[..., Coroutine[Any, Any, Any]])
T = TypeVar("T")

StepObserver = Callable[[Sequence[Event]], None]
"""
Is told of the events of each step of a run that is recorded, once they are stored.
"""


class Observer(Protocol):
    """
    Sees what ports do. What it is told it may keep; it raises nothing of its own.
    """

    def is_awake(self) -> bool:
        """
        Return whether anything comes of what it sees; asked before each call.
        """
        ...

    async def call(
        self,
        operation: str,
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
        answer: Coroutine[Any, Any, T],
    ) -> T:
        """
        Await *answer*, which a port's method has returned, and return its result.

        Args:
            operation: The method's name.

            arguments: What it was given by position.

            options: What it was given by name.

            answer: To be awaited in any case.
        """
        ...

    def note_submitted(self) -> object:
        """
        Return a mark of an operation that its caller, whose context this is, submits.
        """
        ...

    def note_transaction(
        self, marks: Sequence[object], seconds: float, error: Exception | None
    ) -> None:
        """
        Note the end of a transaction that operations have shared, or one has had alone.

        Args:
            marks: Those of its operations.

            seconds: How long it took.

            error: What it failed with; None if it was committed.
        """
        ...

    def note_events(self, appended: int, duplicates: int) -> None:
        """
        Note how many events were stored, and how many were stored already.
        """
        ...

    def note_retry(self, error: Exception) -> None:
        """
        Note that what failed with *error* is tried again.
        """
        ...

    def run(
        self, agent_id: str | None, present: Callable[[], Run]
    ) -> AbstractContextManager[StepObserver | None]:
        """
        Enclose a run that is recorded.

        Args:
            agent_id: The agent's, where it is known.

            present: Returns the run as it is at the time.
        """
        ...


@attrs.define(eq=False)
class Observation:
    """
    Where a port, and what works for it, look whether somebody observes it.
    """

    observer: Observer | None = None

    @property
    def awake_observer(self) -> Observer | None:
        """
        The observer, unless nothing would come of what it is told.
        """
        observer = self.observer
        return None if observer is None or not observer.is_awake() else observer


def observed(front: F) -> F:
    """
    Have the awaited methods of a class of ports look for an observer first.

    It is a decorator of the class, not of each method, so that none is forgotten. The
    observer is that of the port's *observation*; a port without one is not observed.
    """
    for name, method in tuple(vars(front).items()):
        if not name.startswith("_") and inspect.iscoroutinefunction(method):
            setattr(front, name, observed_call(method))
    return front


def observed_call(method: M) -> M:
    """
    Have one awaited method look for an observer first.
    """
    name = getattr(method, "__name__", "")

    @wraps(method)
    async def call(self: Any, *arguments: Any, **options: Any) -> Any:
        observation: Observation | None = getattr(self, "observation", None)
        if observation is None or (observer := observation.awake_observer) is None:
            return await method(self, *arguments, **options)
        answer = method(self, *arguments, **options)
        return await observer.call(name, arguments, options, answer)

    return cast("M", call)


def observed_port(port: object) -> object | None:
    """
    Return a port, or the one that it stands in front of, where that can be observed.
    """
    while port is not None and getattr(port, "observation", None) is None:
        port = getattr(port, "behind", None)
    return port


def observation_of(port: object) -> Observation | None:
    """
    Return where it stands who observes a port, or the one that it stands in front of.
    """
    found = getattr(observed_port(port), "observation", None)
    return found if isinstance(found, Observation) else None


def observed_run(
    store: object, agent_id: str | None, present: Callable[[], Run]
) -> AbstractContextManager[StepObserver | None]:
    """
    Enclose a run that is recorded through *store*, if that is observed.
    """
    observation = observation_of(store)
    if observation is None or observation.observer is None:
        return nullcontext()
    return observation.observer.run(agent_id, present)
