from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import InvalidCheckpointError
from asm_async.values.checkpoint import (
    MAX_CHECKPOINT_LENGTH,
    Witness,
    checkpoint_of,
    checkpoint_text,
    without_witness,
)

NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@given(st.tuples(NUMBERS, NUMBERS), st.sampled_from(["memory", "sqlite", "postgresql"]))
def test_a_checkpoint_comes_back(place: tuple[int, int], database: str) -> None:
    """
    Every place is read as it was written, from text that is safe in a URL.
    """
    text = checkpoint_text(place, database)

    assert checkpoint_of(text, "checkpoint", database) == (place, None)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) <= 128


@given(
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        min_size=1,
        max_size=255,
    ),
    st.integers(min_value=1, max_value=2**53 - 1),
    st.integers(min_value=0, max_value=2**32 - 1),
)
def test_the_event_of_a_checkpoint_comes_back(
    session_id: str, number: int, mark: int
) -> None:
    """
    Whatever its session is called, also if that looks like a part of a checkpoint.
    """
    witness = Witness(session_id, number, mark)
    text = checkpoint_text((3, 7), "postgresql", witness)

    assert checkpoint_of(text, "checkpoint", "postgresql") == ((3, 7), witness)
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) <= MAX_CHECKPOINT_LENGTH


@pytest.mark.parametrize("witness", [None, Witness("ses.1", 1, 2)])
def test_a_checkpoint_can_be_given_without_its_event(witness: Witness | None) -> None:
    """
    Whose event it is, another tenant is not to know.
    """
    text = checkpoint_text((3, 7), "sqlite", witness)

    assert without_witness(text) == checkpoint_text((3, 7), "sqlite")


@given(st.text())
def test_no_other_text_is_a_checkpoint(text: str) -> None:
    """
    Whatever somebody makes up is refused, by the argument's name.
    """
    with pytest.raises(InvalidCheckpointError, match=r"^start: this is no checkpoint$"):
        checkpoint_of(text, "start", "sqlite")


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
        checkpoint_of(sealed(plain), "checkpoint", "sqlite")


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
        checkpoint_of(newer, "checkpoint", "sqlite")


def test_a_checkpoint_of_another_kind_of_database_is_refused() -> None:
    """
    The message says of which, and of which this feed is.
    """
    text = checkpoint_text((3, 7), "postgresql")

    with pytest.raises(InvalidCheckpointError, match="in postgresql, and this one"):
        checkpoint_of(text, "checkpoint", "sqlite")


@pytest.mark.parametrize("value", [None, 1, b"MS5", ["MS5"]])
def test_a_checkpoint_is_text(value: object) -> None:
    """
    Nothing else is looked into.
    """
    with pytest.raises(InvalidCheckpointError):
        checkpoint_of(value, "checkpoint", "sqlite")
