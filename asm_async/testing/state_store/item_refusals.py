"""
Arguments that are refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, cast

import pytest

from asm_async.errors import ValidationError
from asm_async.ports.state_store import MAX_SCOPES_PER_CALL, StateStore
from asm_async.testing.factories import make_item
from asm_async.testing.state_store.contract import StateStoreContract
from asm_async.values.state_item import MAX_KEY_BYTES, MAX_KEY_LENGTH

__all__ = ["TestItemRefusals"]

Call: TypeAlias = Callable[[StateStore], Coroutine[Any, Any, object]]

_NAME = ("app/user", "theme")
_NONE = cast("Any", None)

_TEXTS: Mapping[str, str] = {
    "NUL": "a\0b",
    "surrogate": "a\ud800",
    "half a pair": "\udc00\ud800",
    "too long": "x" * (MAX_KEY_LENGTH + 1),
    "too many bytes": "é" * (MAX_KEY_BYTES // 2 + 1),
}

_REFUSED: Mapping[str, tuple[Call, str]] = {
    "no items": (lambda s: s.save_items(_NONE), "items: "),
    "no item": (
        lambda s: s.save_items([make_item(key="a"), cast("Any", "theme")]),
        r"items\[1\]: expected a StateItem",
    ),
    "twice": (
        lambda s: s.save_items([make_item(), make_item(key="a"), make_item()]),
        r"items\[2\]: 'theme' of scope 'app/user' is in items\[0\] too",
    ),
    "claim": (
        lambda s: s.save_items([make_item()], keep_existing=cast("bool", 1)),
        "keep_existing: ",
    ),
    "no mapping": (
        lambda s: s.save_items([make_item()], expected_revisions=_NONE),
        "expected_revisions: ",
    ),
    "no pair": (
        lambda s: s.save_items(
            [make_item()], expected_revisions=cast("Any", {"theme": 0})
        ),
        "expected_revisions: key: ",
    ),
    "revision": (
        lambda s: s.save_items([make_item()], expected_revisions={_NAME: -1}),
        "expected_revisions",
    ),
    "operation": (
        lambda s: s.save_items([make_item()], operation_id=""),
        "operation_id: ",
    ),
    "scopes": (
        lambda s: s.save_items(
            [make_item(scope=str(n)) for n in range(MAX_SCOPES_PER_CALL + 1)]
        ),
        "items: expected items of at most 1000 scopes",
    ),
    "scope to read": (lambda s: s.get_items("", ["theme"]), "scope: "),
    "one key for many": (lambda s: s.get_items("app/user", "theme"), "keys: "),
    "empty key": (lambda s: s.get_items("app/user", ["a", ""]), r"keys\[1\]: "),
    "scope to list": (lambda s: s.list_items("x" * 256), "scope: "),
    "limit": (lambda s: s.list_items("app/user", limit=-1), "limit: "),
    "direction": (
        lambda s: s.list_items("app/user", descending=_NONE),
        "descending: ",
    ),
    "content": (
        lambda s: s.list_items("app/user", with_content=_NONE),
        "with_content: ",
    ),
    "empty bound": (lambda s: s.list_items("app/user", after=""), "after: "),
    "scope to delete from": (lambda s: s.delete_items(_NONE, keys=["a"]), "scope: "),
    "revision by key": (
        lambda s: s.delete_items(
            "app/user", expected_revisions=cast("Any", {_NAME: 1})
        ),
        "expected_revisions: key: ",
    ),
    "scope to delete": (lambda s: s.delete_scope("a\0"), "scope: "),
}


class TestItemRefusals(StateStoreContract):
    """
    What cannot be stored everywhere is refused everywhere, with the culprit's name.
    """

    @pytest.mark.parametrize("name", _REFUSED)
    async def test_a_wrong_argument_is_named(
        self, state: StateStore, name: str
    ) -> None:
        """
        And nothing is written.
        """
        call, complaint = _REFUSED[name]
        with pytest.raises(ValidationError, match=f"^{complaint}"):
            await call(state)
        assert await state.list_items("app/user") == []

    @pytest.mark.parametrize("text", _TEXTS)
    async def test_no_key_can_be_so(self, state: StateStore, text: str) -> None:
        """
        Nor can a prefix or a bound: PostgreSQL stores no NUL, UTF-8 no lone surrogate.
        """
        wrong = _TEXTS[text]
        with pytest.raises(ValidationError, match=r"^key: "):
            make_item(key=wrong)
        with pytest.raises(ValidationError, match=r"^keys\[0\]: "):
            await state.get_items("app/user", [wrong])
        with pytest.raises(ValidationError, match=r"^keys\[0\]: "):
            await state.delete_items("app/user", keys=[wrong])
        bounds: dict[str, Any] = {"prefix": wrong, "after": wrong, "before": wrong}
        for name, value in bounds.items():
            with pytest.raises(ValidationError, match=f"^{name}: "):
                await state.list_items("app/user", **{name: value})
        with pytest.raises(ValidationError, match=r"^prefix: "):
            await state.delete_items("app/user", prefix=wrong)

    async def test_data_that_was_spoilt_is_refused(self, state: StateStore) -> None:
        """
        What is no JSON any more when it is saved is named with its path.
        """
        item = make_item(data={"a": [1]})
        item.data["a"].append(float("nan"))
        with pytest.raises(ValidationError, match=r"^items\[0\]\.data\['a'\]\[1\]"):
            await state.save_items([item])
        assert await state.list_items("app/user") == []
