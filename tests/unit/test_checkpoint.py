from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import InvalidCheckpointError
from asm_async.values.checkpoint import checkpoint_text, place_of

NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@given(st.tuples(NUMBERS, NUMBERS), st.sampled_from(["memory", "sqlite", "postgresql"]))
def test_a_checkpoint_comes_back(place: tuple[int, int], database: str) -> None:
    """
    Every place is read as it was written, from text that is safe in a URL.
    """
    text = checkpoint_text(place, database)

    assert place_of(text, "checkpoint", database) == place
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) <= 128


@given(st.text())
def test_no_other_text_is_a_checkpoint(text: str) -> None:
    """
    Whatever somebody makes up is refused, by the argument's name.
    """
    with pytest.raises(InvalidCheckpointError, match=r"^start: this is no checkpoint$"):
        place_of(text, "start", "sqlite")


def sealed(plain: str) -> str:
    """
    Give *plain* the form of a checkpoint.
    """
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("plain", "reason"),
    [
        ("1.sqlite.0.7.00000000", "this is no checkpoint"),
        ("1.sqlite.0.7", "this is no checkpoint"),
        ("1.sqlite.0.-7.00000000", "this is no checkpoint"),
        ("2.sqlite.0.7.0c3b6f4f", "this is no checkpoint"),
        ("", "this is no checkpoint"),
    ],
)
def test_a_forged_checkpoint_is_refused(plain: str, reason: str) -> None:
    """
    Its sum must be right, and nothing may be missing.
    """
    with pytest.raises(InvalidCheckpointError, match=reason):
        place_of(sealed(plain), "checkpoint", "sqlite")


def test_a_checkpoint_of_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The message says of which, and which is read.
    """
    with monkeypatch.context() as patch:
        patch.setattr("asm_async.values.checkpoint._VERSION", 2)
        newer = checkpoint_text((0, 7), "sqlite")

    with pytest.raises(InvalidCheckpointError, match="of version 2, and this code"):
        place_of(newer, "checkpoint", "sqlite")


def test_a_checkpoint_of_another_kind_of_database_is_refused() -> None:
    """
    The message says of which, and of which this feed is.
    """
    text = checkpoint_text((3, 7), "postgresql")

    with pytest.raises(InvalidCheckpointError, match="in postgresql, and this one"):
        place_of(text, "checkpoint", "sqlite")


@pytest.mark.parametrize("value", [None, 1, b"MS5", ["MS5"]])
def test_a_checkpoint_is_text(value: object) -> None:
    """
    Nothing else is looked into.
    """
    with pytest.raises(InvalidCheckpointError):
        place_of(value, "checkpoint", "sqlite")
