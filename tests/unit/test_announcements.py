from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asm_async.sql import create_engine
from asm_async.sql.dialects import dialect_of
from asm_async.sql.dialects.postgresql.feed import announced_sessions, payloads_of
from asm_async.sql.runtime.announcer import Announcer
from asm_async.sql.runtime.shared_state import shared_state
from asm_async.testing.strategies import text_fields

ORIGIN = "0123456789abcdef"


@given(st.sets(text_fields(), min_size=1, max_size=60))
def test_every_session_is_announced_in_pieces_that_fit(ids: set[str]) -> None:
    """
    Each id stands in one payload, and none has the 8,000 bytes that are refused.
    """
    payloads = payloads_of(ORIGIN, sorted(ids))
    told = [announced_sessions(payload, "another") for payload in payloads]

    assert sorted(id_ for some in told for id_ in some or ()) == sorted(ids)
    assert all(len(payload.encode()) < 8_000 for payload in payloads)


def test_the_longest_ids_fill_more_than_one_piece() -> None:
    """
    Ids of 255 characters that take 12 bytes each are announced like any others.
    """
    ids = [chr(0x1F600 + number) * 255 for number in range(5)]
    payloads = payloads_of(ORIGIN, ids)

    assert len(payloads) == 3
    assert all(len(payload.encode()) < 8_000 for payload in payloads)


def test_very_many_sessions_are_announced_as_all() -> None:
    """
    One short payload wakes everybody, rather than hundreds some.
    """
    (payload,) = payloads_of(ORIGIN, [f"ses_{number}" for number in range(1_001)])

    assert announced_sessions(payload, "another") is None


def test_whoever_announces_does_not_listen_to_itself() -> None:
    """
    Its own waiters were woken when it wrote.
    """
    (payload,) = payloads_of(ORIGIN, ["ses_1"])

    assert announced_sessions(payload, ORIGIN) == ()
    assert announced_sessions(payload, "another") == ["ses_1"]


@pytest.mark.parametrize(
    "payload",
    ["", "hello", "{", "7", '"text"', "{}", "[]", "null", '["another"]', "[[]]"],
)
def test_what_is_not_understood_wakes_everybody(payload: str) -> None:
    """
    Anybody may notify on the channel, and a hint too many does no harm.
    """
    assert announced_sessions(payload, ORIGIN) is None


def test_strange_ids_wake_nobody() -> None:
    """
    What is no text is read as some.
    """
    payload = json.dumps(["another", 7, {"a": []}])

    assert announced_sessions(payload, ORIGIN) == ["7", "{'a': []}"]


async def test_nothing_is_announced_where_others_see_for_themselves() -> None:
    """
    On SQLite, and on an engine that says so, no commit needs to be published.
    """
    engines = [
        create_engine("sqlite+aiosqlite://"),
        create_engine(
            "postgresql+asyncpg://nobody@localhost/nowhere",
            execution_options={"asm_announces": False},
        ),
    ]
    for engine in engines:
        assert not Announcer(engine, dialect_of(engine)).is_on
        hub = shared_state(engine).hub
        needed = [hub.is_needed]
        with hub.waiting_for("ses_1"):
            needed.append(hub.is_needed)
        needed.append(hub.is_needed)
        assert needed == [False, True, False]


async def test_what_cannot_be_announced_is_dropped() -> None:
    """
    Nobody is told: it was only a hint.
    """
    engine = create_engine("postgresql+asyncpg://nobody@127.0.0.1:9/nowhere")
    announcer = Announcer(engine, dialect_of(engine))
    for _ in range(3):
        announcer.announce(["ses_1"])
        await announcer.settle()

    assert announcer._pending == set()
    await engine.dispose()
