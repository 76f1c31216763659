"""
What a test of the contract suites asks of an adapter that not every adapter can do.

An adapter over several databases, say, has no transaction that spans two sessions. Its
author says so in a ``conftest.py``, and each test that needs this must then be refused:

    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        expect_refusals(items, {Capability.SPANS_SESSIONS})
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from enum import StrEnum
from typing import Any, TypeVar

import attrs
import pytest

from asm_async.errors import UnsupportedOperationError

__all__ = ["Capability", "expect_refusals", "needs"]

T = TypeVar("T", bound=Callable[..., object])

_NEED = "__asm_need__"


class Capability(StrEnum):
    """
    What an adapter may be unable to do.
    """

    SPANS_SESSIONS = "spans_sessions"
    """
    One call writes to several sessions, scopes or artifacts, all or nothing. Without
    that it raises ``UnsupportedOperationError`` before anything is written.
    """

    UNIQUE_IDS = "unique_ids"
    """
    An id of a run, and an id or key of an artifact, belongs to one session of all.
    """

    ONE_FEED = "one_feed"
    """
    The events of all sessions have one order, and a checkpoint is a place in it.
    """

    ONE_REPORT = "one_report"
    """
    A health check lists and counts what it finds in all sessions together.
    """


@attrs.frozen
class _Need:
    capability: Capability
    only: Collection[str]
    is_caught: bool
    is_likely: bool


def needs(
    capability: Capability,
    *,
    only: Collection[str] = (),
    is_caught: bool = False,
    is_likely: bool = False,
) -> Callable[[T], T]:
    """
    Make the decorator that says what a test, or each test of a class, needs.

    Args:
        capability: What that is.

        only: The ids of the parameters that need it; all of them if there are none.

        is_caught: Whether the test itself catches what an adapter refuses, so that it
            fails in another way.

        is_likely: Whether it may succeed without, by chance.
    """

    def decorate(test: T) -> T:
        setattr(test, _NEED, _Need(capability, only, is_caught, is_likely))
        return test

    return decorate


def expect_refusals(
    items: Iterable[pytest.Item], lacking: Collection[Capability]
) -> None:
    """
    Expect that an adapter fails the tests that need what it cannot do.

    A test that succeeds nevertheless fails. One that needs a transaction over several
    sessions must be refused with ``UnsupportedOperationError``.

    Args:
        items: The tests of this adapter.

        lacking: What it cannot do.
    """
    refusal = (UnsupportedOperationError, ExceptionGroup)
    for item in items:
        need = _need_of(item)
        if need is None or need.capability not in lacking:
            continue
        is_refused = need.capability is Capability.SPANS_SESSIONS and not need.is_caught
        item.add_marker(
            pytest.mark.xfail(
                raises=refusal if is_refused else None,
                reason=f"it needs {need.capability}",
                strict=not need.is_likely,
            )
        )


def _need_of(item: Any) -> _Need | None:
    function = getattr(item, "function", None)
    own = getattr(function, _NEED, None) or getattr(item.cls, _NEED, None)
    if own is not None and own.only:
        parameters = item.callspec.id.split("-")
        return own if {*own.only} & {*parameters} else None
    return own if isinstance(own, _Need) else None
