"""
Lists of a scope's items: their order, and which of them.
"""

from __future__ import annotations

import pytest

from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_item
from asm_async.testing.state_store.contract import StateStoreContract, keys_of

__all__ = ["TestItemLists"]

# Where collations, patterns, escapes and other encodings would go wrong.
_CHARACTERS = (
    *"%_\\*?[]()^$.|+-'\"`;:/ \t\n\r",
    *"aAzZ09äÄßİ",
    *("\x01", "\x1f", "\x7f", "\x80", "\u0301", "\u200d", "\ufeff"),
    *("\ud7ff", "\ue000", "\uffff", "\U00010000", "\U0001f600", "\U0010ffff"),
)
_KEYS = (
    *_CHARACTERS,
    *(f"{one}{other}" for one in _CHARACTERS[::3] for other in _CHARACTERS[::2]),
    *("a", "a/", "a/b", "a/b/c", "a/c", "a0", "b", "%%", "\\%", "\U0010ffff" * 3),
)


class TestItemLists(StateStoreContract):
    """
    A list is in the order of keys by code point, whatever they are made of.
    """

    async def test_keys_are_ordered_by_code_point(self, state: StateStore) -> None:
        """
        On every backend as Python orders them, in both directions.
        """
        keys = sorted(set(_KEYS))
        await state.save_items([make_item(key=key) for key in keys[::-1]])
        assert keys_of(await state.list_items("app/user")) == keys
        descending = await state.list_items("app/user", descending=True)
        assert keys_of(descending) == keys[::-1]

    async def test_every_character_of_a_prefix_stands_for_itself(
        self, state: StateStore
    ) -> None:
        """
        No wildcard, no escape, no collation; what is deleted by it is the same.
        """
        keys = sorted(set(_KEYS))
        await state.save_items([make_item(key=key) for key in keys])
        for prefix in ("", "a/", "%%", *_CHARACTERS):
            expected = [key for key in keys if key.startswith(prefix)]
            listed = await state.list_items("app/user", prefix=prefix)
            assert keys_of(listed) == expected, ascii(prefix)
        for prefix in _CHARACTERS:
            gone = [key for key in keys if key.startswith(prefix)]
            keys = [key for key in keys if key not in gone]
            assert await state.delete_items("app/user", prefix=prefix) == len(gone)
        assert keys_of(await state.list_items("app/user")) == keys == ["b"]

    @pytest.mark.parametrize("descending", [False, True])
    async def test_a_list_is_read_in_pages(
        self, state: StateStore, *, descending: bool
    ) -> None:
        """
        Each behind the last key of the one before, which may be gone by then.
        """
        keys = sorted(set(_KEYS))
        await state.save_items([make_item(key=key) for key in keys])
        found: list[str] = []
        end = None
        while page := await state.list_items(
            "app/user",
            after=None if descending else end,
            before=end if descending else None,
            descending=descending,
            limit=7,
        ):
            assert len(page) <= 7
            found += keys_of(page)
            end = found[-1]
            await state.delete_items("app/user", keys=[end])
        assert found == (keys[::-1] if descending else keys)

    async def test_bounds_narrow_each_other(self, state: StateStore) -> None:
        """
        Both ends are left out, and need not be stored; a prefix narrows them further.
        """
        await state.save_items([make_item(key=key) for key in _KEYS[-10:]])
        for prefix in ("", "a", "a/", "a/b", "b", "x"):
            for after in (None, "a", "a/", "a/b", "a/bb", "zz", "A"):
                for before in (None, "a", "a/c", "a/bb", "b", "zz"):
                    listed = await state.list_items(
                        "app/user", prefix=prefix, after=after, before=before
                    )
                    expected = [
                        key
                        for key in sorted(_KEYS[-10:])
                        if key.startswith(prefix)
                        and (after is None or after < key)
                        and (before is None or key < before)
                    ]
                    assert keys_of(listed) == expected, (prefix, after, before)

    async def test_a_limit_of_nothing_gives_nothing(self, state: StateStore) -> None:
        """
        And one that is longer than the list gives all of it.
        """
        stored = await state.save_items([make_item()])
        assert await state.list_items("app/user", limit=0) == []
        assert await state.list_items("app/user", limit=10**12) == stored
        assert await state.list_items("none") == []

    @needs(Capability.SPANS_SESSIONS)
    async def test_scopes_are_told_apart(self, state: StateStore) -> None:
        """
        By every character, also where one begins with another.
        """
        scopes = ["a", "A", "a ", "a/", "%", "_", "\\", "ä", "\x1f", "a\x1fb", "😀"]
        await state.save_items(
            [make_item(scope=scope, key="k", data=scope) for scope in scopes]
        )
        for scope in scopes:
            (item,) = await state.list_items(scope)
            assert (item.scope, item.data) == (scope, scope)
