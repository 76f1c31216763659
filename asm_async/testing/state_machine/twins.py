"""
Two databases that are asked the same, one of which is known to answer right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from asm_async.errors import ASMError, RevisionConflictError
from asm_async.fronts import retracting
from asm_async.testing.state_machine.differences import difference
from asm_async.testing.state_machine.ports import OpenPorts, Ports, ports_in_memory
from asm_async.values import ids

__all__ = ["TwinMachine"]


class TwinMachine(RuleBasedStateMachine):
    """
    What all rules share: the two databases, their clock, and one event loop.
    """

    open_ports: OpenPorts
    """
    Opens the database that is put to the test; each machine has its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()
        # Activity is noted by the real time, and ages are whole days.
        self._now = datetime.now(UTC) + timedelta(hours=12)
        self._is_equal = True
        # What is left out where another tenant's history must not show is random.
        self._opened.enter_context(patch.object(ids, "random_gap", lambda: 2))
        # The time of a retraction is its store's own.
        self._opened.enter_context(patch.object(retracting, "utc_now", self._clock))
        self._known = ports_in_memory(self._clock)
        self._tested = self._runner.run(
            self._opened.enter_async_context(self.open_ports(self._clock))
        )

    @initialize()
    def begin(self) -> None:
        """
        Save what there is from the beginning.
        """
        self.save_first_contents()

    def save_first_contents(self) -> None:
        """
        Save what the rules of each port need; they add what they know of.
        """

    @rule(days=st.integers(1, 5))
    def let_days_pass(self, days: int) -> None:
        """
        Let the time by which maintenance goes be later.
        """
        self._now += timedelta(days=days)

    def has(self, port: str) -> bool:
        """
        Return whether there is such a port to test.
        """
        return getattr(self._tested, port) is not None

    def both(
        self,
        port: str,
        method: str,
        /,
        *args: Any,
        seen_as: Callable[[Any], Any] | None = None,
        prepared_by: Callable[[Ports], Awaitable[dict[str, Any]]] | None = None,
        **options: Any,
    ) -> Any:
        """
        Call both, and compare what they return, or type and args of what they raise.

        Args:
            port: The name of the port, as :class:`Ports` has it.

            method: The name of its method.

            args: What the method is given.

            seen_as: What to compare, if results may differ in something.

            prepared_by: Makes further options for each database, such as revisions
                that it has given; then those in errors are not compared.

            options: What the method is given by name.

        Returns:
            What the known one returned; None if it raised an error.
        """

        async def outcome(ports: Ports) -> tuple[Any, Any]:
            own = {} if prepared_by is None else await prepared_by(ports)
            try:
                call = getattr(getattr(ports, port), method)
                result = await call(*args, **options, **own)
            except RevisionConflictError as error:
                told = error.args if prepared_by is None else (error.subject,)
                return (type(error), told), None
            except ASMError as error:
                return (type(error), error.args), None
            return (None, seen_as(result) if seen_as else result), result

        known, result = self._runner.run(outcome(self._known))
        tested, _ = self._runner.run(outcome(self._tested))
        if tested != known:
            self._is_equal = False
            raise AssertionError(f"{method}: {_told(tested, known)}")
        return result

    def compare_contents(self) -> None:
        """
        Compare all that there is; the rules of each port add what they know of.
        """

    def teardown(self) -> None:
        """
        Compare what both hold in the end, and close them.
        """
        try:
            if self._is_equal:
                self.compare_contents()
        finally:
            self._runner.run(self._opened.aclose())
            self._runner.close()

    def _clock(self) -> datetime:
        return self._now


def _told(tested: tuple[Any, Any], known: tuple[Any, Any]) -> str:
    if tested[0] is None and known[0] is None:
        return difference(tested[1], known[1])
    one, other = (
        "returned" if error is None else f"raised {error.__name__}{args}"
        for error, args in (tested, known)
    )
    return f"it {one}, where memory {other}"
