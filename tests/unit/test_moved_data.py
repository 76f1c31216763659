"""
Members of events' data that are chosen to be kept elsewhere, or brought back.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.artifacts.large_data import LargeDataCoder
from asm_async.fronts.following import rough_size
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.factories import make_event
from asm_async.values.event import Event
from asm_async.values.json_pieces import at_once
from asm_async.values.json_values import EncodedJSON, decoded, encode_json
from asm_async.values.moved_data import (
    MovedMember,
    artifacts_of,
    chosen_members,
    joined,
    looks_moved,
    may_hold_references,
)

REFERENCE = MovedMember(sha256="0" * 64, bytes=7).to_json()
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.text('[]{},:\\"aé', max_size=9),
    st.text("x", min_size=30, max_size=40),
    st.integers(),
    st.none(),
    st.just(REFERENCE),
    st.just({"asm.moved": "x" * 20}),
    st.just({"asm.moved": [], "b": 1}),
)
KEYS = st.text('[{,:"\\p', max_size=3) | st.just("asm.moved")
OBJECTS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
        ),
        max_leaves=8,
    ),
    max_size=5,
)
ABOVE = 30


def with_text(event: Event) -> Event:
    """
    Return an event as it is read with the text of its data.
    """
    text: Any = EncodedJSON(encode_json(event.data))
    return event.with_json(text, event.metadata)


@given(value=OBJECTS, length=st.integers(1, 40))
def test_of_text_the_same_members_are_chosen(
    value: dict[str, Any], length: int
) -> None:
    """
    However it is cut; and put together again it is the same.
    """
    text = EncodedJSON(encode_json(value))
    parts = at_once(
        chosen_members(
            text, looks_moved, may_be_chosen=may_hold_references, piece_length=length
        )
    )
    chosen = {part[0]: part[1] for part in parts if isinstance(part, tuple)}

    expected = {name: each for name, each in value.items() if looks_moved(each)}
    assert {name: decoded(each) for name, each in chosen.items()} == expected
    assert joined(parts, chosen) == text


@given(value=OBJECTS)
async def test_text_is_kept_elsewhere_as_what_it_stands_for_is(
    value: dict[str, Any],
) -> None:
    """
    So that an append can be repeated by whoever has the one or the other.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore(), above=ABOVE)
    event = make_event(data=value)
    (plain,) = await coder.encode([event])
    (text,) = await coder.encode([with_text(event)])
    (read,) = await coder.decode([text])
    (read_plain,) = await coder.decode([plain])

    assert isinstance(plain, Event)
    assert isinstance(text, Event)
    assert isinstance(read, Event)
    assert isinstance(read_plain, Event)
    assert encode_json(text.data) == encode_json(plain.data)
    assert [*artifacts_of(text)] == [*artifacts_of(plain)]
    assert encode_json(read.data) == encode_json(value)
    assert read_plain.data == value


@pytest.mark.parametrize("others", [{}, {"b": 1}])
async def test_a_long_member_that_looks_like_a_reference_is_kept_elsewhere(
    others: dict[str, Any],
) -> None:
    """
    Of text too, where such a member is not decoded; not if it has others beside.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore())
    event = make_event(data={"a": {"asm.moved": "x" * 40_000, **others}, "b": 1})
    (plain,) = await coder.encode([event])
    (text,) = await coder.encode([with_text(event)])

    assert isinstance(plain, Event)
    assert isinstance(text, Event)
    assert encode_json(text.data) == encode_json(plain.data)
    assert len(encode_json(text.data)) < 200 or others


async def test_a_content_that_is_gone_is_shown_as_such_in_text() -> None:
    """
    As it is in place of what the text stands for.
    """
    coder = LargeDataCoder(contents=InMemoryArtifactStore())
    event = with_text(make_event(data={"a": 1, "b": REFERENCE, "c": [REFERENCE]}))
    (shown,) = await coder.show([event])

    assert isinstance(shown, Event)
    data = json.loads(encode_json(shown.data))
    assert data["b"]["asm.unreadable"]["sha256"] == "0" * 64
    assert (data["a"], data["c"]) == (1, [REFERENCE])


@pytest.mark.parametrize("is_text", [True, False])
def test_what_is_elsewhere_counts_for_a_follower(*, is_text: bool) -> None:
    """
    Since it comes back into the event, however that is read.
    """
    moved = MovedMember(sha256="0" * 64, bytes=1_000_000).to_json()

    event = make_event(data={"a": moved})

    assert rough_size(with_text(event) if is_text else event) >= 1_000_000
