from __future__ import annotations

import base64
import re
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.errors import InvalidCheckpointError, ValidationError
from asm_async.testing.factories import make_event
from asm_async.values.checkpoint import (
    MAX_CHECKPOINT_LENGTH,
    Witness,
    checkpoint_of,
    checkpoint_text,
    checkpoint_writer,
    without_witness,
    witness_of,
)

NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)


@given(st.tuples(NUMBERS, NUMBERS), st.sampled_from(["memory", "sqlite", "postgresql"]))
def test_a_checkpoint_comes_back(place: tuple[int, int], database: str) -> None:
    """
    Every place is read as it was written, from text that is safe in a URL.
    """
    text = checkpoint_text(place, database)

    assert checkpoint_of(text, "checkpoint", database) == (place, None)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", text)
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
    assert re.fullmatch(r"[A-Za-z0-9._-]+", text)
    assert len(text) <= MAX_CHECKPOINT_LENGTH


@pytest.mark.parametrize("witness", [None, Witness("ses.1", 1, 2)])
def test_a_checkpoint_can_be_given_without_its_event(witness: Witness | None) -> None:
    """
    Whose event it is, another tenant is not to know.
    """
    text = checkpoint_text((3, 7), "sqlite", witness)

    assert without_witness(text) == checkpoint_text((3, 7), "sqlite")


@given(
    st.text(
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60
    ),
    st.integers(min_value=1, max_value=2**53 - 1),
    st.text(min_size=1),
)
def test_what_followers_are_given_is_the_checkpoint_of_their_event(
    session_id: str, number: int, event_id: str
) -> None:
    """
    It is written in another way there, since they are given one with each event.
    """
    try:
        event = make_event(id=event_id, session_id=session_id, sequence_number=number)
    except ValidationError:
        return
    text = checkpoint_text((3, 7), "postgresql", witness_of(event))

    assert checkpoint_writer("postgresql")(event, (3, 7)) == text


@given(st.text())
def test_no_other_text_is_a_checkpoint(text: str) -> None:
    """
    Whatever somebody makes up is refused, by the argument's name.
    """
    with pytest.raises(
        InvalidCheckpointError, match=r"^start: this is not a checkpoint$"
    ):
        checkpoint_of(text, "start", "sqlite")


def summed(beginning: str, rest: str) -> str:
    """
    Return what may be a checkpoint its form, and its sum.
    """
    packed = base64.urlsafe_b64encode(beginning.encode()).decode().rstrip("=")
    return f"{packed}.{rest}{crc32(f'{packed}.{rest}'.encode())}"


def test_what_was_written_is_known_here() -> None:
    """
    What the forged ones below differ from.
    """
    sound = summed("1.sqlite.s", "0.7.5.6.")

    assert checkpoint_text((0, 7), "sqlite", Witness("s", 5, 6)) == sound


@pytest.mark.parametrize(
    "text",
    [
        "",
        summed("1.sqlite.s", "0.7.5.6.")[:-1] + "x",
        summed("1.sqlite.s", "0.7.5.6.").replace(".5.", ".4."),
        "x" + summed("1.sqlite.s", "0.7.5.6."),
        summed("1.sqlite.s", "0.7.5.6.") + "\n",
        summed("1.sqlite.s", "0.7.5.-6."),
        summed("1.sqlite.s", "0.7."),
        summed("1.sqlite.", "0.7.5.6."),
        summed("1.sqlite", "0.7."),
        summed("1.sqlite.s", "0.7.5.6.0."),
        summed("1.sqlite.s", "0.7.5.٦."),
        summed("", "0.7.5.6."),
        f"MS5zcWxpdGUuB.0.7.{crc32(b'MS5zcWxpdGUuB.0.7.')}",
    ],
)
def test_a_forged_checkpoint_is_refused(text: str) -> None:
    """
    Its sum must be right, and nothing may be missing or stand elsewhere.
    """
    with pytest.raises(InvalidCheckpointError, match="this is not a checkpoint"):
        checkpoint_of(text, "checkpoint", "sqlite")


def test_a_checkpoint_of_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The message says of which, and which is read.
    """
    with monkeypatch.context() as patch:
        patch.setattr("asm_async.values.checkpoint._VERSION", 2)
        newer = checkpoint_text((0, 7), "sqlite")

    with pytest.raises(InvalidCheckpointError, match="has version 2, and this code"):
        checkpoint_of(newer, "checkpoint", "sqlite")


def test_a_checkpoint_of_another_kind_of_database_is_refused() -> None:
    """
    The message says of which, and of which this feed is.
    """
    text = checkpoint_text((3, 7), "postgresql")

    with pytest.raises(InvalidCheckpointError, match="in postgresql, and this feed"):
        checkpoint_of(text, "checkpoint", "sqlite")


@pytest.mark.parametrize("value", [None, 1, b"MS5", ["MS5"]])
def test_a_checkpoint_is_text(value: object) -> None:
    """
    Nothing else is looked into.
    """
    with pytest.raises(InvalidCheckpointError):
        checkpoint_of(value, "checkpoint", "sqlite")
