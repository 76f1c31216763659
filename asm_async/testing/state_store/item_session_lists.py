"""
Listing the items that go with a session.
"""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import pytest_asyncio

from asm_async.errors import SessionNotFoundError, ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import make_item, make_session
from asm_async.testing.state_store.contract import StateStoreContract
from asm_async.values.state_item import StateItem

__all__ = ["TestItemSessionLists"]

# In order, by code point.
_NAMES = (
    ("a", "1"),
    ("a", "2"),
    ("a%", "1"),
    ("a_", "12"),
    ("b", "1"),
    ("b", "\uffff"),
    ("b", "\U0001f600"),
)


def _names_of(items: list[StateItem]) -> tuple[tuple[str, str], ...]:
    return tuple((item.scope, item.key) for item in items)


@needs(Capability.SPANS_SESSIONS)
class TestItemSessionLists(StateStoreContract):
    """
    ``list_session_items``: of all scopes, by scope and key.
    """

    @pytest_asyncio.fixture(autouse=True)
    async def items(self, store: SessionStore, state: StateStore) -> None:
        """
        Store two sessions with items in the same scopes, and an item of none.
        """
        for id_ in ("ses_1", "ses_2"):
            await store.save_session(make_session(id=id_, tenant_id=f"of {id_}"))
        mine = [
            make_item(scope=scope, key=key, session_id="ses_1", content=b"x")
            for scope, key in _NAMES[::-1]
        ]
        theirs = [
            attrs.evolve(item, key=f"{item.key}!", session_id="ses_2") for item in mine
        ]
        lease = make_item(scope="asm.runs/run_1", key="lease", session_id="ses_1")
        await state.save_items([*mine, *theirs, lease, make_item(scope="a", key="0")])

    async def test_a_sessions_items_are_listed_and_nobody_elses(
        self, state: StateStore
    ) -> None:
        """
        As they are stored, but for those of the library's own scopes.
        """
        found = await state.list_session_items("ses_1")
        assert _names_of(found) == _NAMES
        for item in found:
            stored = await state.get_items(item.scope, [item.key])
            assert stored == {item.key: item}
        assert await state.list_session_items("unknown") == []

    @pytest.mark.parametrize(
        ("given", "names"),
        [
            ({"scope": "a"}, _NAMES[:2]),
            ({"scope": "a%"}, _NAMES[2:3]),
            ({"scope": "none"}, ()),
            ({"prefix": "1"}, (_NAMES[0], *_NAMES[2:5])),
            ({"scope": "b", "prefix": "\uffff"}, _NAMES[5:6]),
            ({"after": ("a", "1")}, _NAMES[1:]),
            ({"after": ("a", "11")}, _NAMES[1:]),
            ({"after": ("a", "9")}, _NAMES[2:]),
            ({"after": ("b", "\uffff")}, _NAMES[6:]),
            ({"after": ("a%", "0"), "prefix": "1", "limit": 2}, _NAMES[2:4]),
            ({"after": ("a", "1"), "scope": "b", "limit": 1}, _NAMES[4:5]),
            ({"after": ("b", "1"), "scope": "a"}, ()),
            ({"limit": 0}, ()),
        ],
        ids=str,
    )
    async def test_they_are_narrowed_and_paged(
        self,
        state: StateStore,
        given: dict[str, Any],
        names: tuple[tuple[str, str], ...],
    ) -> None:
        """
        By scope, by what keys begin with, and behind the last one of a page.
        """
        assert _names_of(await state.list_session_items("ses_1", **given)) == names

    async def test_content_may_be_left_out(self, state: StateStore) -> None:
        """
        All else is there.
        """
        whole = await state.list_session_items("ses_1")
        found = await state.list_session_items("ses_1", with_content=False)
        assert found == [attrs.evolve(item, content=None) for item in whole]

    async def test_a_session_of_another_tenant_is_not_found(
        self, state: StateStore, store: SessionStore
    ) -> None:
        """
        Nor is an unknown one; one's own may have nothing.
        """
        mine = await state.list_session_items("ses_1", expected_tenant="of ses_1")
        assert _names_of(mine) == _NAMES
        for id_ in ("ses_2", "unknown"):
            choices: list[dict[str, Any]] = [{}, {"limit": 0}, {"scope": "none"}]
            for given in choices:
                with pytest.raises(SessionNotFoundError, match=id_):
                    await state.list_session_items(
                        id_, **given, expected_tenant="of ses_1"
                    )
        await store.save_session(make_session(id="new", tenant_id="t"))
        assert await state.list_session_items("new", expected_tenant="t") == []

    @pytest.mark.parametrize(
        "wrong",
        [
            {"session_id": ""},
            {"scope": ""},
            {"prefix": None},
            {"after": "a"},
            {"after": ("a", "")},
            {"limit": -1},
            {"with_content": 1},
            {"expected_tenant": ""},
        ],
        ids=str,
    )
    async def test_a_wrong_argument_is_named(
        self, state: StateStore, wrong: dict[str, Any]
    ) -> None:
        """
        Before anything is read.
        """
        (name,) = wrong
        given: dict[str, Any] = {"session_id": "ses_1", **wrong}
        with pytest.raises(ValidationError, match=f"^{name}"):
            await state.list_session_items(**given)
