"""
Reading pickles without loading them.
"""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import enum
import os
import pickle
import sys
import tracemalloc
import uuid
from collections import OrderedDict, defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from asm_async.importers.google_adk.pickled import read_pickle
from asm_async.importers.records import NotUnderstoodError
from tests.importers.pickled_actions import (
    ACTIONS,
    ACTIONS_AS_JSON,
    attacks,
    bombs,
)

ATTACKS = sorted(attacks(Path("name")))
BOMBS = sorted(bombs())


class Colour(enum.Enum):
    """
    An enumeration that pickles may name.
    """

    RED = "red"


def test_actions_are_read_without_the_framework() -> None:
    """
    What ADK has pickled is the JSON that ADK writes of it, and ADK is not imported.
    """
    before = {name for name in sys.modules if name.startswith("google.adk")}
    found = read_pickle(ACTIONS)
    assert found.value == ACTIONS_AS_JSON
    assert found.unknown == ()
    assert {name for name in sys.modules if name.startswith("google.adk")} == before


PLAIN: list[tuple[Any, Any]] = [
    (dt.timedelta(1, 2), 86402.0),
    (decimal.Decimal("1.20"), "1.20"),
    (uuid.UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (OrderedDict(a=1), {"a": 1}),
    (defaultdict[str, list[int]](list, a=[1]), {"a": [1]}),
    (PurePosixPath("/a/b"), "/a/b"),
    ({"b", "a"}, ["a", "b"]),
    (frozenset({2}), [2]),
    ((1, [2.5, None]), [1, [2.5, None]]),
    (float("nan"), "nan"),
    ({1: True}, {"1": True}),
]


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize(
    ("value", "plain"), PLAIN, ids=[type(value).__name__ for value, _ in PLAIN]
)
def test_plain_values_have_a_form(value: Any, plain: Any, protocol: int) -> None:
    """
    Values of the standard library that a state may hold become JSON.
    """
    found = read_pickle(pickle.dumps(value, protocol))
    assert found.value == plain
    assert found.unknown == ()


def test_other_objects_are_named() -> None:
    """
    What has no form in JSON is there in its parts, and named.
    """
    value = {"f": os.path.join, "e": ValueError("no", 1), "c": Colour.RED}
    found = read_pickle(pickle.dumps(value))
    assert found.unknown[0] == "builtins.ValueError"
    assert found.unknown[1] == "posixpath.join"
    assert found.unknown[2].endswith("test_pickles.Colour")
    assert found.value["c"]["parts"] == ["red", None]
    assert found.value["e"] == {
        "pickled": "builtins.ValueError",
        "parts": ["no", 1, None],
    }


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_in_a_pickle_is_executed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A pickle that would make a file makes none, and nothing is imported for it.
    """
    target = tmp_path / "made"
    data = attacks(target)[name]
    # The attack is one: where it may, it makes the file, or fails at it.
    asked: list[str] = []
    real = builtins.__import__

    def watched(module: str, *args: Any, **named: Any) -> Any:
        asked.append(module)
        return real(module, *args, **named)

    monkeypatch.setattr(builtins, "__import__", watched)
    environment = dict(os.environ)
    try:
        read_pickle(data)
    except NotUnderstoodError:
        pass
    finally:
        monkeypatch.undo()
    assert not target.exists()
    assert dict(os.environ) == environment
    assert not {"os", "posix", "google"} & set(asked)


@pytest.mark.parametrize("name", ["reduce", "system", "inst", "obj", "eval", "nested"])
def test_the_attacks_are_attacks(name: str, tmp_path: Path) -> None:
    """
    Loaded as pickles are, they do what they are for: else the test above shows nothing.
    """
    target = tmp_path / "made"
    pickle.loads(attacks(target)[name])  # noqa: S301 - our own
    assert target.exists()


@pytest.mark.parametrize("name", BOMBS)
def test_a_pickle_takes_no_more_than_its_share(name: str) -> None:
    """
    What is damaged, endless or huge is refused, with little memory and time.
    """
    data = bombs()[name]
    tracemalloc.start()
    try:
        with pytest.raises(NotUnderstoodError):
            read_pickle(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 256 * 2**20
