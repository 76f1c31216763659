"""
Logical shards: which one an id belongs to, and what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from asm_async.errors import InvalidCheckpointError, UnsupportedOperationError
from asm_async.sharding import SHARD_COUNT, shard_key, shard_of
from asm_async.sharding.checkpoints import vector_of, vector_text
from asm_async.sharding.shards import only_shard
from asm_async.values.checkpoint import MAX_CHECKPOINT_LENGTH, Witness, checkpoint_text

# If one of these changes, no stored session is found any more.
_VECTORS = {
    "ses_1": 70,
    "ses_1/notes": 70,
    "acme": 130,
    "acme/ses_1": 130,
    "acme/ses_2/notes": 130,
    "Größe": 174,
    "/": 227,
    "": 227,
    "\U0001f600": 240,
}


@pytest.mark.parametrize(("id_", "shard"), _VECTORS.items())
def test_an_id_has_its_shard_for_ever(id_: str, shard: int) -> None:
    """
    It is the first byte of the SHA-256 digest of what stands before the slash.
    """
    assert shard_of(id_) == shard


def test_ids_of_every_kind_are_spread_over_all_shards() -> None:
    """
    Of 65,536 ids no shard has a fifth more than its part, nor a fifth less.
    """
    counts = [0] * SHARD_COUNT
    for number in range(65_536):
        counts[shard_of(f"ses_{number}")] += 1
    assert 256 * 0.75 < min(counts) <= max(counts) < 256 * 1.25


def test_what_has_one_beginning_is_together() -> None:
    """
    So a customer's sessions are, if their ids begin with the customer's.
    """
    assert shard_key("acme/1") == shard_key("acme/2/x") == "acme"


def test_several_shards_are_named() -> None:
    """
    The error says which ids, and of which shards; of one shard one id is returned.
    """
    with pytest.raises(UnsupportedOperationError, match=r"'ses_1' is of shard 70"):
        only_shard(["ses_1", "acme/1"], "commit")
    assert only_shard(["acme/1", "acme/2"], "commit") == "acme/1"
    assert only_shard([], "commit") == ""


def test_a_vector_is_read_as_it_was_written() -> None:
    """
    Also if it has no place in a primary that was added since.
    """
    places = {"a": checkpoint_text((0, 3), "sqlite"), "b": "x.y"}
    primaries = {"a": 1, "b": 2, "c": 3}
    assert vector_of(vector_text(places), "checkpoint", primaries) == places
    assert vector_of(None, "checkpoint", primaries) == {}


@pytest.mark.parametrize(
    "checkpoint",
    ["", "x", 1, b"shards1~0", "shards1~a~b~0", checkpoint_text((0, 3), "sqlite")],
)
def test_what_is_no_vector_is_refused(checkpoint: Any) -> None:
    """
    The message starts with the name of the argument.
    """
    with pytest.raises(InvalidCheckpointError, match=r"^checkpoint: "):
        vector_of(checkpoint, "checkpoint", {"a": 1})


def test_a_primary_that_is_not_there_is_named() -> None:
    """
    A checkpoint of other primaries is not taken for one of these.
    """
    other = vector_text({"b": checkpoint_text((0, 3), "sqlite")})
    with pytest.raises(InvalidCheckpointError, match="primary 'b'"):
        vector_of(other, "checkpoint", {"a": 1})


def test_a_vector_of_long_checkpoints_is_cut() -> None:
    """
    All places stay; the events that stood there go, but for the latest.
    """
    witness = Witness("\U0001f600" * 255, 2**40, 2**31)
    place = checkpoint_text((2**40, 2**40), "postgresql", witness)
    text = vector_text({"a": place, "b": place, "c": place}, "b")
    assert len(text) <= MAX_CHECKPOINT_LENGTH + 2 * 100
    places = vector_of(text, "checkpoint", {"a": 1, "b": 2, "c": 3})
    assert places["b"] == place
    assert places["a"] == places["c"] == checkpoint_text((2**40, 2**40), "postgresql")
