from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from asm_async.errors import InvalidCursorError
from asm_async.testing import strategies
from asm_async.testing.factories import NOON
from asm_async.values.cursor import MAX_CURSOR_LENGTH, CursorCodec, Key


def make_codec(**fields: Any) -> CursorCodec:
    """
    Make the codec of a search for things by time, but for the fields that are given.
    """
    defaults: dict[str, Any] = {
        "resource": "things",
        "order": "time_desc",
        "filters": {},
        "key_types": (datetime, str),
    }
    return CursorCodec(**(defaults | fields))


in_utc = strategies.times().map(lambda time: time.astimezone(UTC))
keys = st.tuples(in_utc, strategies.text_fields())


@given(key=keys)
@example(key=(datetime.max.replace(tzinfo=UTC), "\x01" * 255))
@example(key=(datetime.min.replace(tzinfo=UTC), "\U0010ffff" * 255))
def test_a_cursor_leads_to_its_key(key: Key) -> None:
    """
    Times to the microsecond, texts of any characters; in bounded length.
    """
    codec = make_codec()
    cursor = codec.encode(key)

    assert codec.decode(cursor) == key
    assert len(cursor) <= MAX_CURSOR_LENGTH


@given(cursor=st.text(st.characters(exclude_categories=())) | st.binary() | st.floats())
def test_whatever_is_no_cursor_is_refused_as_such(cursor: object) -> None:
    """
    There is one error for all of them.
    """
    with pytest.raises(InvalidCursorError, match=r"^cursor: expected the cursor of a"):
        make_codec().decode(cursor)


@given(key=keys, data=st.data())
def test_no_change_goes_unnoticed(key: Key, data: st.DataObject) -> None:
    """
    Any part of a cursor replaced by any other text makes it none.
    """
    codec = make_codec()
    cursor = codec.encode(key)
    start = data.draw(st.integers(0, len(cursor)))
    stop = data.draw(st.integers(start, len(cursor)))
    alphabet = st.text("ABCXYZabcxyz0189-_=+/ \n\u00e9", max_size=4)
    changed = cursor[:start] + data.draw(alphabet) + cursor[stop:]

    if changed == cursor:
        assert codec.decode(changed) == key
    else:
        with pytest.raises(InvalidCursorError):
            codec.decode(changed)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"resource": "other"}, "resource"),
        ({"order": "time_asc"}, "order"),
        ({"filters": {"name": "a"}}, "choice of filters"),
        ({"order": "count_desc", "key_types": (int, str)}, "order"),
    ],
    ids=["resource", "order", "filters", "key"],
)
def test_a_cursor_of_another_search_is_refused(
    fields: dict[str, Any], what: str
) -> None:
    """
    The message says in what the searches differ.
    """
    cursor = make_codec().encode((NOON, "a"))

    with pytest.raises(InvalidCursorError) as caught:
        make_codec(**fields).decode(cursor)
    assert str(caught.value) == f"cursor: it belongs to another {what}"


@pytest.mark.parametrize(
    "key_types", [(int, str), (datetime,), (datetime, str, int), (str, int)]
)
def test_a_key_of_other_parts_leads_nowhere(key_types: tuple[Any, ...]) -> None:
    """
    As when a later version orders by something else, under the same name.
    """
    cursor = make_codec().encode((NOON, "a"))

    with pytest.raises(InvalidCursorError, match="cursor: it names no place"):
        make_codec(key_types=key_types).decode(cursor)


def test_filters_are_told_apart_by_value_and_not_by_order() -> None:
    """
    A cursor knows what was asked, however it was written down.
    """
    one = {"name": "a", "sizes": ["1", "2"]}
    same = {"sizes": ["1", "2"], "name": "a"}
    key = (NOON + timedelta.resolution, "a")
    cursor = make_codec(filters=one).encode(key)

    assert make_codec(filters=same).decode(cursor) == key
    for other in ({}, {"name": "a"}, {"name": "a", "sizes": ["12"]}):
        with pytest.raises(InvalidCursorError):
            make_codec(filters=other).decode(cursor)


def test_a_cursor_says_nothing_of_the_filters() -> None:
    """
    Only their digest is in it, so that a cursor may stand in a URL or a log.
    """
    codec = make_codec(filters={"name": "secret"})
    long = make_codec(filters={"names": ["secret"] * 10_000})

    assert len(codec.encode((NOON, "a"))) == len(long.encode((NOON, "a"))) < 200
