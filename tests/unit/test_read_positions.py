"""
Tokens of a primary's place, and how far a standby lags.
"""

from __future__ import annotations

from math import inf

import pytest

from asm_async.errors import ValidationError
from asm_async.sql.readers.positions import PrimaryHistory, ReadToken, token_of


@pytest.mark.parametrize("system", [1, 2**63 - 1, -(2**63)])
def test_a_token_is_read_as_it_was_written(system: int) -> None:
    """
    Identifiers are signed where PostgreSQL shows them, and a token has no sign.
    """
    token = token_of(str(ReadToken(system, 7)), "after")

    assert token.is_of(system)
    assert not token.is_of(system + 1)
    assert token.position == 7
    assert len(str(token)) < 40


@pytest.mark.parametrize("wrong", ["", "1.2", "1.-1.2", "2.1.1", "1.1.1\n", None, 7])
def test_what_is_no_token_is_refused(wrong: object) -> None:
    """
    The error names the argument, and says where tokens come from.
    """
    with pytest.raises(ValidationError, match="after: this is no token"):
        token_of(wrong, "after")


def test_a_lag_is_counted_from_when_the_primary_was_seen_there() -> None:
    """
    One that has all that is known does not lag, however long nothing is written.
    """
    history = PrimaryHistory(10)
    for at, position in ((0, 100), (1, 200), (2, 300), (3, 300)):
        history.note(at, position)

    assert history.lag_of(300) == history.lag_of(301) == 0
    assert history.lag_of(299) == 2
    assert history.lag_of(100) == 3
    assert history.lag_of(99) == inf
    assert history.is_ahead(301)
    assert not history.is_ahead(300)


def test_what_is_too_long_ago_is_forgotten() -> None:
    """
    What is kept tells whether a lag is greater than the span.
    """
    history = PrimaryHistory(2)
    for at in range(100):
        history.note(at, at)

    assert history.lag_of(97) == 2
    assert history.lag_of(0) == inf


def test_a_primary_that_went_backwards_has_another_history() -> None:
    """
    What its standbys had of the one before counts no more.
    """
    history = PrimaryHistory(10)
    for at, position in ((0, 30), (1, 100), (2, 50)):
        history.note(at, position)

    assert history.is_ahead(100)
    assert history.lag_of(40) == inf
