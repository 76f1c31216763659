"""
Items that are saved, and come back as they were given.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from asm_async.errors import ConflictError
from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_item
from asm_async.testing.state_store.contract import (
    OpenStateStore,
    StateStoreContract,
    keys_of,
)
from asm_async.values.state_item import (
    MAX_CONTENT_BYTES,
    MAX_KEY_BYTES,
    MAX_KEY_LENGTH,
    StateItem,
)

__all__ = ["TestItemSaves"]

_AWKWARD: tuple[Any, ...] = (
    None,
    True,
    0,
    1.0,
    -0.0,
    10**4_299,
    "NUL \0, \ud800, \x1f",
    [],
    {},
    {"b": [1, 1.0, {"a": None}], "a": ""},
)


class TestItemSaves(StateStoreContract):
    """
    An item is inserted or replaced whole, under a revision of its own.
    """

    async def test_an_item_comes_back_as_it_was_given(
        self, state: StateStore, open_state_store: OpenStateStore
    ) -> None:
        """
        From this store and another one, with a revision and a time.
        """
        before = datetime.now(UTC)
        given = make_item(data={"a": [1, 1.0]}, content=b"\0\xff")
        (stored,) = await state.save_items([given])
        assert stored.revision > 0
        assert stored.updated_at is not None
        assert before <= stored.updated_at <= datetime.now(UTC)
        assert attrs.evolve(stored, revision=0, updated_at=None) == given
        for opened in (state, await open_state_store()):
            assert await opened.get_items("app/user", ["theme"]) == {"theme": stored}
            assert await opened.list_items("app/user") == [stored]

    @pytest.mark.parametrize("data", _AWKWARD, ids=range(len(_AWKWARD)))
    async def test_data_is_any_json_value(
        self, state: StateStore, data: object
    ) -> None:
        """
        It comes back equal and of the same type, also alone in its item.
        """
        (stored,) = await state.save_items([make_item(data=data)])
        (read,) = (await state.get_items("app/user", ["theme"])).values()
        assert read == stored
        assert repr(read.data) == repr(data)

    async def test_content_is_bytes_that_nobody_looks_into(
        self, state: StateStore
    ) -> None:
        """
        None, nothing and every byte are told apart; a list may leave content out.
        """
        contents = [None, b"", bytes(range(256)), b"{}", b"\xff" * 70_000]
        items = [
            make_item(key=str(number), content=content)
            for number, content in enumerate(contents)
        ]
        await state.save_items(items)
        read = await state.list_items("app/user")
        assert [item.content for item in read] == contents
        without = await state.list_items("app/user", with_content=False)
        assert without == [attrs.evolve(item, content=None) for item in read]

    @pytest.mark.timeout(120)
    async def test_content_may_be_64_mib_long(self, state: StateStore) -> None:
        """
        All of it is stored; a byte more is refused when the item is made.
        """
        block = hashlib.sha256(b"block").digest()
        content = block * (MAX_CONTENT_BYTES // len(block))
        (stored,) = await state.save_items([make_item(content=content)])
        (read,) = await state.list_items("app/user")
        # A comparison that fails would write both out.
        is_equal = stored.content == content == read.content
        assert is_equal

    async def test_a_save_replaces_all_of_an_item(self, state: StateStore) -> None:
        """
        What the new one does not hold is gone, and its revision is a higher one.
        """
        (first,) = await state.save_items([make_item(data=1, content=b"1")])
        (second,) = await state.save_items([make_item()])
        assert second.revision > first.revision
        assert (second.data, second.content) == (None, None)
        assert await state.list_items("app/user") == [second]

    async def test_what_was_read_can_be_changed_and_saved(
        self, state: StateStore
    ) -> None:
        """
        The revision and the time that it carries are ignored.
        """
        (first,) = await state.save_items([make_item(data=1)])
        changed = attrs.evolve(first, data=2, revision=10**9, updated_at=NOON)
        (second,) = await state.save_items([changed])
        assert first.revision < second.revision < 10**9
        assert second.updated_at != NOON

    @needs(Capability.SPANS_SESSIONS)
    async def test_items_of_several_scopes_are_saved_together(
        self, state: StateStore
    ) -> None:
        """
        The same key in two scopes is two items; they come back in the order given.
        """
        items = [
            make_item(scope=scope, key=key, data=[scope, key])
            for scope, key in (("b", "x"), ("a", "y"), ("a", "x"))
        ]
        stored = await state.save_items(items)
        assert [item.data for item in stored] == [item.data for item in items]
        assert len({item.revision for item in stored}) == len(items)
        assert await state.list_items("a") == [stored[2], stored[1]]
        assert await state.list_items("b") == [stored[0]]

    async def test_nothing_is_a_valid_call(self, state: StateStore) -> None:
        """
        To save, to find, to delete.
        """
        assert await state.save_items([]) == []
        assert await state.get_items("app/user", []) == {}
        assert await state.delete_items("app/user") == 0

    async def test_keys_are_found_in_the_order_asked_for(
        self, state: StateStore
    ) -> None:
        """
        Each once; those that are not stored are left out.
        """
        await state.save_items([make_item(key=key) for key in "abc"])
        found = await state.get_items("app/user", ["c", "none", "a", "c"])
        assert list(found) == ["c", "a"]
        assert keys_of(found.values()) == ["c", "a"]

    async def test_the_longest_names_are_stored(self, state: StateStore) -> None:
        """
        Of one byte a character, and of as many bytes as there may be.
        """
        # What repeats itself would be compressed.
        many = "".join(chr(0x10000 + 7_919 * n % 65_536) for n in range(MAX_KEY_LENGTH))
        scope = many[:255]
        keys = ["x" * MAX_KEY_LENGTH, many[: MAX_KEY_BYTES // 4]]
        stored = await state.save_items(
            [make_item(scope=scope, key=key) for key in keys]
        )
        found = await state.get_items(scope, keys)
        assert list(found.values()) == stored

    async def test_existing_items_can_be_kept(self, state: StateStore) -> None:
        """
        They stay as they are, and come back whole; those that are new are stored.
        """
        (first,) = await state.save_items([make_item(data=1, content=b"1")])
        kept, new = await state.save_items(
            [make_item(data=2), make_item(key="size", data=2)], keep_existing=True
        )
        assert kept == first
        assert new.data == 2
        assert await state.list_items("app/user") == [new, first]

    async def test_what_the_caller_holds_is_not_what_is_stored(
        self, state: StateStore
    ) -> None:
        """
        Neither what was given nor what came back changes what is stored.
        """
        given = make_item(data={"a": [1]})
        (stored,) = await state.save_items([given])
        given.data["a"].append(2)
        stored.data["a"].append(3)
        (read,) = await state.list_items("app/user")
        assert read.data == {"a": [1]}
        read.data.clear()
        assert (await state.list_items("app/user"))[0].data == {"a": [1]}

    async def test_an_operation_that_is_repeated_is_done_once(
        self, state: StateStore
    ) -> None:
        """
        It gives back what is stored, also if it expected a revision.
        """
        items = [make_item(data=1), make_item(key="size", data=1)]
        expected = {("app/user", "theme"): 0}
        first = await state.save_items(
            items, expected_revisions=expected, operation_id="op"
        )
        again = await state.save_items(
            items, expected_revisions=expected, operation_id="op"
        )
        assert again == first == (await state.list_items("app/user"))[::-1]

    async def test_an_operation_is_not_another_one(self, state: StateStore) -> None:
        """
        Under an id that has saved other content, or more, or less, nothing is saved.
        """
        stored = await state.save_items([make_item(data=1)], operation_id="op")
        others: list[list[StateItem]] = [
            [make_item(data=2)],
            [make_item(data=1, content=b"")],
            [make_item(data=1), make_item(key="size")],
        ]
        for items in others:
            with pytest.raises(ConflictError, match="operation_id: 'op'"):
                await state.save_items(items, operation_id="op")
        assert await state.list_items("app/user") == stored
