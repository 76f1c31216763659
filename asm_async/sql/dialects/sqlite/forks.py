"""
What keeps a fork from finding a thread within SQLite.

SQLite guards what a process has once, such as the list of its open files, by mutexes.
One that is held by a thread while another thread forks stays held in the child, where
that thread is not, and whatever opens or closes a file there waits forever. So a fork
waits until none of our threads is within SQLite, and they wait until it is done.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable

# A statement may take longer than anybody who forks would wait. It rarely holds what
# the whole process shares.
_MAX_SECONDS = 0.5


def _make_gates() -> Callable[[], threading.Lock]:
    """
    Make a source of locks, which a fork takes all of.
    """
    gates: weakref.WeakSet[threading.Lock] = weakref.WeakSet()
    adding = threading.Lock()
    closed = threading.local()

    def close() -> None:
        end = time.monotonic() + _MAX_SECONDS

        def take(gate: threading.Lock) -> bool:
            return gate.acquire(timeout=max(0.0, end - time.monotonic()))

        # No other thread begins to have a gate, either.
        closed.gates = [adding] if take(adding) else []
        closed.gates += filter(take, list(gates))

    def open_again() -> None:
        while closed.gates:
            closed.gates.pop().release()

    def add() -> threading.Lock:
        gate = threading.Lock()
        with adding:
            gates.add(gate)
        return gate

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=close, after_in_parent=open_again, after_in_child=open_again
        )
    return add


new_gate: Callable[[], threading.Lock] = _make_gates()
"""
Make a lock that a thread holds while it is within SQLite.
"""
