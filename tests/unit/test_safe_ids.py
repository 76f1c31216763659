from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async import Session
from asm_async.errors import ValidationError
from asm_async.integrations.ids import MAX_LENGTH, safe_id

PARTS = st.lists(st.text(max_size=300), min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("thread-1",), "adk/thread-1"),
        (("app", "user 1", "s"), "adk/app/user 1/s"),
        (("",), "adk/"),
        (("a/b",), "adk/a%2Fb"),
        (("a%2Fb",), "adk/a%252Fb"),
        (("\0",), "adk/%00"),
        (("ü",), "adk/%C3%BC"),
    ],
)
def test_a_short_id_can_be_read(parts: tuple[str, ...], expected: str) -> None:
    """
    It has its parts in it, percent-encoded where they are not printable.
    """
    assert safe_id("adk", *parts) == expected


def test_a_long_id_has_a_digest() -> None:
    """
    What is too long for an id is named by its SHA-256.
    """
    found = safe_id("adk", "x" * 252)

    assert (found[:4], len(found)) == ("adk.", 68)
    assert safe_id("adk", "x" * 251) == "adk/" + "x" * 251


@given(PARTS, PARTS)
def test_different_parts_have_different_ids(one: list[str], other: list[str]) -> None:
    """
    No two names share an id, however they are divided.
    """
    assert (safe_id("p", *one) == safe_id("p", *other)) == (one == other)


@given(st.lists(st.text(st.characters(), max_size=300), min_size=1, max_size=3))
def test_any_text_makes_an_id(parts: list[str]) -> None:
    """
    Empty, long, with NUL or lone surrogates: a session can have it.
    """
    found = safe_id("p", *parts)

    assert len(found) <= MAX_LENGTH
    assert Session.new(agent_id="a", id=found).id == found


@pytest.mark.parametrize(
    ("parts", "message"),
    [((), "parts: expected at least one"), (("a", 1), r"parts\[1\]: .* an int")],
)
def test_what_is_no_text_is_refused(parts: tuple[str, ...], message: str) -> None:
    """
    The error says which part.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        safe_id("p", *parts)
