"""
Sessions that are forked with their state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import ConflictError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.concurrency import run_together
from asm_async.testing.factories import make_events, make_item, make_session
from asm_async.testing.state_store.contract import StateStoreContract
from asm_async.values.state_item import StateItem

__all__ = ["TestItemCopies"]

_FORK = make_session(id="fork")
# In order; "ses_10" and "ses_1-x" only begin like the session.
_SCOPES = ("app", "asm.runs/x", "ses_1", "ses_1-x", "ses_1/", "ses_1/a/b", "ses_10")


def _content(items: list[StateItem]) -> list[StateItem]:
    return [item.with_given(0) for item in items]


@needs(Capability.SPANS_SESSIONS)
class TestItemCopies(StateStoreContract):
    """
    A copy has the state of its source, under scopes of its own.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def source(self, store: SessionStore) -> None:
        """
        Store a session and two events.
        """
        await store.save_session(make_session())
        await store.append_events(make_events(2))

    async def _fill(self, state: StateStore) -> list[StateItem]:
        items = [
            make_item(
                scope=scope, key=key, data=[scope], content=content, session_id=id_
            )
            for scope in _SCOPES
            for key, content, id_ in (
                ("a", b"\0\xff", "ses_1"),
                ("b", None, "ses_1"),
                ("c", b"", None),
            )
        ]
        return await state.save_items(items)

    @pytest.mark.parametrize(
        ("scopes", "moved"),
        [
            ({}, {"ses_1": "fork", "ses_1/": "fork/", "ses_1/a/b": "fork/a/b"}),
            (
                {"app": "app of fork", "ses_1/": "slash", "unknown": "u"},
                {
                    "app": "app of fork",
                    "ses_1": "fork",
                    "ses_1/": "slash",
                    "ses_1/a/b": "fork/a/b",
                },
            ),
        ],
    )
    async def test_a_copy_has_the_items_of_its_source(
        self,
        store: SessionStore,
        state: StateStore,
        scopes: Mapping[str, str],
        moved: Mapping[str, str],
    ) -> None:
        """
        Those under its id, and those of scopes that are named; all others stay behind.
        """
        stored = await self._fill(state)
        await store.copy_session("ses_1", _FORK, through=1, scopes=scopes)
        expected = [
            attrs.evolve(item, scope=moved[item.scope], session_id="fork")
            for item in stored
            if item.scope in moved and item.session_id
        ]
        copied = await state.list_session_items("fork")
        in_order = sorted(expected, key=lambda item: (item.scope, item.key))
        assert _content(copied) == _content(in_order)
        revisions = {item.revision for item in copied}
        assert len(revisions) == len(copied)
        assert min(revisions) > max(item.revision for item in stored)
        for scope in _SCOPES:
            whole = [item for item in stored if item.scope == scope]
            assert await state.list_items(scope) == whole
        # From here on each goes its own way.
        await state.save_items([attrs.evolve(copied[0], data="new")])
        await store.delete_session("ses_1")
        assert len(await state.list_session_items("fork")) == len(expected)
        await store.delete_session("fork")
        assert await state.list_session_items("fork") == []

    async def test_a_copy_whose_items_would_take_anothers_place_is_refused(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Nothing is stored of it, and with another scope it is made.
        """
        await self._fill(state)
        (taken,) = await state.save_items([make_item(scope="fork/a/b", key="b")])
        names = "state item 'b' of scope 'fork/a/b' exists already"
        with pytest.raises(ConflictError, match=names):
            await store.copy_session("ses_1", _FORK)
        assert await store.list_sessions(include_deleted=True, limit=2) == [
            await store.get_session("ses_1")
        ]
        assert await state.list_session_items("fork") == []
        assert await state.list_items("fork/a/b") == [taken]
        await store.copy_session("ses_1", _FORK, scopes={"ses_1/a/b": "other"})
        assert len(await state.list_items("other")) == 2

    async def test_the_same_operation_copies_items_once(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        What is saved in the source meanwhile stays there.
        """
        await self._fill(state)
        copied = await store.copy_session("ses_1", _FORK, operation_id="op")
        before = await state.list_session_items("fork")
        await state.save_items(
            [make_item(scope="ses_1", key=key, session_id="ses_1") for key in "ad"]
        )
        again = await store.copy_session("ses_1", _FORK, operation_id="op")
        assert again == copied
        assert await state.list_session_items("fork") == before

    async def test_very_many_items_are_copied_while_others_write(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        Each once, of however many scopes, and however large; none is left out.
        """
        items = [
            make_item(scope=f"ses_1/{number:04}", session_id="ses_1", data=number)
            for number in range(1_000)
        ]
        large = [
            make_item(
                scope="ses_1", key=str(n), session_id="ses_1", content=bytes(3 << 20)
            )
            for n in range(3)
        ]
        await state.save_items(items[:900])
        await state.save_items([*items[900:], *large])
        await run_together(
            [
                store.copy_session("ses_1", _FORK),
                *(state.save_items([make_item(key=str(n), data=n)]) for n in range(9)),
            ]
        )
        copied = await state.list_session_items("fork", with_content=False)
        whole = await state.list_session_items("ses_1", with_content=False)
        assert [item.scope.removeprefix("fork") for item in copied] == [
            item.scope.removeprefix("ses_1") for item in whole
        ]
        assert [item.data for item in copied] == [item.data for item in whole]
        for item in await state.list_items("fork"):
            assert item.content == bytes(3 << 20)
        await store.append_events(make_events(1, first=3, session_id="fork"))

    async def test_scopes_that_cannot_be_are_refused(
        self, store: SessionStore, state: StateStore
    ) -> None:
        """
        The error names the scope, and nothing is stored.
        """
        wrong: list[tuple[object, str]] = [
            (None, "scopes: expected a mapping"),
            ({"": "a"}, "scopes: key: "),
            ({"a": ""}, r"scopes\['a'\]: "),
            (
                {"a": "x", "b": "x"},
                r"scopes\['b'\]: the items of 'a' are copied to 'x'",
            ),
            ({"a": "fork"}, r"scopes\['a'\]: scopes that are named after"),
            ({"ses_1": "fork/a"}, r"scopes\['ses_1'\]: .* to 'fork/a'"),
            ({"a": "asm.b"}, r"scopes\['a'\]: 'asm.b' has the reserved prefix"),
            ({"asm.b": "a"}, r"scopes\['asm.b'\]: 'asm.b' has the reserved prefix"),
            ({str(n): f"{n}." for n in range(1_001)}, "scopes: expected up to 1000"),
        ]
        for scopes, complaint in wrong:
            given: dict[str, Any] = {"scopes": scopes}
            with pytest.raises(ValidationError, match=f"^{complaint}"):
                await store.copy_session("ses_1", _FORK, **given)
        long = make_item(scope=f"ses_1/{'x' * 249}", session_id="ses_1")
        await state.save_items([long])
        for id_ in ("longer_name", "asm.x"):
            with pytest.raises(ConflictError, match="name another scope in scopes"):
                await store.copy_session("ses_1", make_session(id=id_))
        assert len(await store.list_sessions(include_deleted=True)) == 1
        await store.copy_session("ses_1", _FORK, scopes={long.scope: "short"})
        assert len(await state.list_items("short")) == 1
