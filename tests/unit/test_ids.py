from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import pytest

from asm_async.values.ids import (
    new_artifact_id,
    new_event_id,
    new_run_id,
    new_session_id,
)

MINTS = [
    (new_session_id, "ses"),
    (new_run_id, "run"),
    (new_event_id, "evt"),
    (new_artifact_id, "art"),
]
MILLISECOND = 1_000_000


def uuid_of(name: str) -> UUID:
    """
    Read the UUID in an id.
    """
    return UUID(hex=name[4:])


@pytest.mark.parametrize(("mint", "prefix"), MINTS)
def test_an_id_is_a_prefix_and_32_hexadecimal_digits(
    mint: Callable[[], str], prefix: str
) -> None:
    """
    A minted id tells what it names.
    """
    assert re.fullmatch(rf"{prefix}_[0-9a-f]{{32}}", mint())


def test_an_id_is_a_uuid_of_version_7() -> None:
    """
    Version and variant stand where RFC 9562 has them.
    """
    uuid = uuid_of(new_session_id())

    assert uuid.version == 7
    assert uuid.variant == RFC_4122


def test_an_id_holds_the_time_it_was_minted() -> None:
    """
    The first 48 bits are the milliseconds since 1970.
    """
    before = time.time_ns() // MILLISECOND
    minted = uuid_of(new_run_id()).int >> 80
    after = time.time_ns() // MILLISECOND

    assert before <= minted <= after


def test_an_id_holds_the_fraction_of_its_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The 12 bits behind the version are the fraction in steps of 1/4096.
    """
    now = 1_700_000_000_123 * MILLISECOND
    fractions: list[int] = []
    for nanoseconds in (0, 250_000, 500_000, 999_999):
        monkeypatch.setattr(time, "time_ns", lambda late=nanoseconds: now + late)
        uuid = uuid_of(new_event_id())
        fractions.append(uuid.int >> 64 & 0xFFF)

        assert uuid.int >> 80 == 1_700_000_000_123

    assert fractions == [0, 1024, 2048, 4095]


def test_ids_ascend_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is minted a quarter of a microsecond later sorts behind, as text.
    """
    ticks = iter(range(0, 250 * 1_000, 250))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks))
    minted = [new_event_id() for _ in range(1_000)]

    assert minted == sorted(minted)


def test_ids_of_one_moment_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    62 random bits keep the ids of one nanosecond apart.
    """
    monkeypatch.setattr(time, "time_ns", lambda: 1)

    assert len({new_event_id() for _ in range(10_000)}) == 10_000


FORKED = """
import os, time
from asm_async.values.ids import new_event_id

time.time_ns = lambda: 1
new_event_id()
if child := os.fork():
    os.waitpid(child, 0)
for _ in range(9):
    print(new_event_id(), flush=True)
"""


def test_a_forked_process_has_ids_of_its_own() -> None:
    """
    What is random is not taken twice from what the parent had at hand.
    """
    call = [sys.executable, "-c", FORKED]
    ran = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script

    assert len(set(ran.stdout.split())) == 18


def test_ids_of_many_threads_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No two threads take the same random number.
    """
    monkeypatch.setattr(time, "time_ns", lambda: 1)

    def mint_many(_: int) -> list[str]:
        return [new_event_id() for _ in range(1_000)]

    with ThreadPoolExecutor(8) as threads:
        minted = [id_ for some in threads.map(mint_many, range(8)) for id_ in some]

    assert len(set(minted)) == 8_000
