"""
The suites say what an adapter may be unable to do, and expect that it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from asm_async.errors import UnsupportedOperationError
from asm_async.testing.capabilities import Capability, expect_refusals, needs


@needs(Capability.SPANS_SESSIONS)
class _Spanning:
    def spanning(self) -> None: ...

    @needs(Capability.SPANS_SESSIONS, is_caught=True)
    def catching(self) -> None: ...

    @needs(Capability.ONE_FEED, is_likely=True)
    def ordered(self) -> None: ...


class _Other:
    def spanning(self) -> None: ...

    @needs(Capability.UNIQUE_IDS, only=["many"])
    def choosy(self) -> None: ...


def _marks(
    test: Callable[..., object],
    *lacking: Capability,
    parameters: str = "",
    of: type = _Other,
) -> list[Any]:
    marks: list[Any] = []

    def add_marker(decorator: pytest.MarkDecorator) -> None:
        marks.append(decorator.mark.kwargs)

    item: Any = SimpleNamespace(
        function=test,
        cls=of,
        callspec=SimpleNamespace(id=parameters),
        add_marker=add_marker,
    )
    expect_refusals([item], lacking)
    return marks


def test_what_needs_nothing_special_must_succeed() -> None:
    """
    And so must what needs what the adapter can do.
    """
    assert _marks(_Other.spanning, *Capability) == []
    assert _marks(_Spanning.spanning, Capability.ONE_FEED, of=_Spanning) == []


def test_a_transaction_over_several_sessions_is_refused_by_its_error() -> None:
    """
    A test that succeeds nevertheless fails; what a class needs, its tests need.
    """
    (mark,) = _marks(_Spanning.spanning, Capability.SPANS_SESSIONS, of=_Spanning)
    assert UnsupportedOperationError in mark["raises"]
    assert mark["strict"] is True
    (mark,) = _marks(_Spanning.catching, Capability.SPANS_SESSIONS, of=_Spanning)
    assert mark["raises"] is None
    (mark,) = _marks(_Spanning.ordered, Capability.ONE_FEED, of=_Spanning)
    assert mark["strict"] is False


@pytest.mark.parametrize(
    ("parameters", "count"), [("sqlite-many", 1), ("many", 1), ("sqlite-few", 0)]
)
def test_only_some_parameters_may_need_it(parameters: str, count: int) -> None:
    """
    Whatever other parameters there are.
    """
    found = _marks(_Other.choosy, Capability.UNIQUE_IDS, parameters=parameters)
    assert len(found) == count
