from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy import event as sa_event


@pytest.fixture
def heard_interrupts() -> Iterator[None]:
    """
    Let SIGINT interrupt, also where a shell started the tests without it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupt_at(
    heard_interrupts: None,  # noqa: ARG001 - asked for what it does
) -> Iterator[Callable[[str], None]]:
    """
    Yield the function that has Ctrl-C pressed before a statement that holds a text.
    """
    parts: list[str] = []

    def press(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        if parts and parts[0] in statement:
            parts.clear()
            signal.raise_signal(signal.SIGINT)

    sa_event.listen(sa.Engine, "before_cursor_execute", press)
    yield parts.append
    sa_event.remove(sa.Engine, "before_cursor_execute", press)
