from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any, cast

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import make_session
from asm_async.values.page import Page
from asm_async.values.session import Session


def make_page(**fields: Any) -> Page[Session]:
    """
    Make an empty page, but for the fields that are given.
    """
    defaults: dict[str, Any] = {"items": ()}
    return Page(**(defaults | fields))


def test_a_page_holds_its_items_and_where_to_go_on() -> None:
    """
    What is given is what is held.
    """
    page = Page(items=(make_session(),), cursor="opaque", total_count=7)

    assert page.items == (make_session(),)
    assert (page.cursor, page.total_count) == ("opaque", 7)


def test_a_page_is_what_is_on_it() -> None:
    """
    It is iterated and counted like its items, and an empty one is false.
    """
    sessions = (make_session(), make_session(id="ses_2"))
    page = make_page(items=sessions)

    assert [*page] == [*sessions]
    assert len(page) == 2
    assert page
    assert not make_page(cursor="opaque")


def test_the_last_page_has_no_cursor() -> None:
    """
    Cursor and count are None unless given; what they belong to is required.
    """
    assert (make_page().cursor, make_page().total_count) == (None, None)
    make = cast("Callable[..., Page[Session]]", Page)
    with pytest.raises(TypeError, match="items"):
        make(cursor="opaque")


def test_a_cursor_may_be_long() -> None:
    """
    A cursor carries ids and is no text field: it may be longer than they are.
    """
    assert make_page(cursor="c" * 2_000).cursor == "c" * 2_000


def test_items_become_a_tuple() -> None:
    """
    What the caller does to its list afterwards does not change the page.
    """
    items = [make_session()]
    page = make_page(items=items)
    items.clear()

    assert page.items == (make_session(),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": None}, "items: expected a list, got a NoneType"),
        ({"items": "text"}, "items: expected a list, got a str"),
        ({"cursor": ""}, "cursor: expected a cursor or None, got ''"),
        ({"cursor": 7}, "cursor: expected a cursor or None, got 7"),
        ({"total_count": -1}, "total_count: the number is not within 0 to 2**53 - 1"),
        ({"total_count": "7"}, "total_count: expected a whole number, got a str"),
    ],
    ids=range(6),
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    """
    Each field is checked when the page is made, and the message begins with its name.
    """
    with pytest.raises(ValidationError) as caught:
        make_page(**change)

    assert str(caught.value) == message


def test_a_page_is_frozen() -> None:
    """
    No field can be set, and a misspelt one is a TypeError.
    """
    set_field: Callable[[str, object], None] = make_page().__setattr__

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        set_field("cursor", "other")
    with pytest.raises(TypeError, match="total"):
        make_page(total=7)


def test_equal_pages_have_equal_hashes() -> None:
    """
    Pages are equal by all their fields, and can be copied and pickled.
    """
    page = make_page(items=(make_session(),))

    assert len({page, make_page(items=[make_session()]), make_page()}) == 2
    assert copy.deepcopy(page) == page
    assert pickle.loads(pickle.dumps(page)) == page  # noqa: S301 - our own bytes
