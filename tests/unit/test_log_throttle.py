"""
What goes on and on is logged once, and then counted.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest

from asm_async.errors import StorageError
from asm_async.fronts.log_records import LogThrottle, exc_info_of

LOG = logging.getLogger("asm_async.tests")
FAILED = "it failed: %s"


class Clock:
    """
    A time that goes on when it is told to.
    """

    now = 100.0

    def __call__(self) -> float:
        """
        Return the time.
        """
        return self.now


@pytest.fixture
def clock() -> Clock:
    """
    Return a clock that stands still.
    """
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> LogThrottle:
    """
    Return a throttle on that clock.
    """
    return LogThrottle(clock=clock)


def said(caplog: pytest.LogCaptureFixture, level: int = logging.INFO) -> list[str]:
    """
    Return and forget what was logged at a level or above it.
    """
    found = [r.getMessage() for r in caplog.records if r.levelno >= level]
    caplog.clear()
    return found


def fail(throttle: LogThrottle, subject: object = "a", **options: Any) -> None:
    """
    Log a failure.
    """
    throttle.log(LOG, logging.WARNING, FAILED, subject, **options)


def test_what_repeats_is_said_once_and_then_counted(
    throttle: LogThrottle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Eight failures a second are one record, then their number, ever less often.
    """
    for _ in range(8 * 200):
        fail(throttle)
        clock.now += 0.125

    assert said(caplog) == [
        "it failed: a",
        "it failed: a (again, 80 times in 10 s)",
        "it failed: a (again, 160 times in 20 s)",
        "it failed: a (again, 320 times in 40 s)",
        "it failed: a (again, 640 times in 80 s)",
    ]


def test_the_number_is_said_once_an_hour_at_least(
    throttle: LogThrottle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    What goes on for days is not forgotten.
    """
    for _ in range(2 * 24 * 360):
        fail(throttle)
        clock.now += 10

    found = said(caplog)
    assert 48 <= len(found) < 60
    assert found[-1] == "it failed: a (again, 360 times in 3600 s)"


def test_what_is_left_out_is_there_at_debug(
    throttle: LogThrottle, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Whoever asks for everything gets it, from the line that logs it.
    """
    caplog.set_level(logging.DEBUG, LOG.name)
    for subject in ("a", "b"):
        fail(throttle, subject)

    first, second = caplog.records
    assert (first.levelno, second.levelno) == (logging.WARNING, logging.DEBUG)
    assert second.getMessage() == "it failed: b"
    assert {record.funcName for record in caplog.records} == {"fail"}


def test_what_comes_after_a_pause_is_new(
    throttle: LogThrottle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    After a long time without it, it is said as at first, and so is what follows.
    """
    for _ in range(2):
        fail(throttle)
        clock.now += 15
        fail(throttle)
        clock.now += 601

    assert said(caplog) == ["it failed: a", "it failed: a (again, 1 times in 15 s)"] * 2


def test_keys_are_counted_apart(
    throttle: LogThrottle, caplog: pytest.LogCaptureFixture
) -> None:
    """
    The message is the key unless there is another one.
    """
    for host in (1, 2, 1, 2):
        fail(throttle, host, key=host)

    assert said(caplog) == ["it failed: 1", "it failed: 2"]


def test_the_end_is_said_with_the_number_of_all_failures(
    throttle: LogThrottle, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Once, and only of what was said to begin.
    """
    caplog.set_level(logging.INFO)
    throttle.end(LOG, "it works again", of=FAILED)
    for _ in range(3):
        fail(throttle)
        clock.now += 6
    for _ in range(2):
        throttle.end(LOG, "it works again", of=FAILED)
    fail(throttle)

    assert said(caplog) == [
        "it failed: a",
        "it failed: a (again, 2 times in 12 s)",
        "it works again (after 3 failures in 18.0 s)",
        "it failed: a",
    ]


def test_a_traceback_has_no_causes(caplog: pytest.LogCaptureFixture) -> None:
    """
    A driver's error holds the beginning of a row that the database has refused.
    """
    row = "Failing row contains (se" + "cret)"

    def refuse() -> None:
        raise StorageError("refused") from ValueError(row)

    with pytest.raises(StorageError) as caught:
        refuse()
    LOG.error("it failed", exc_info=exc_info_of(caught.value))

    assert isinstance(caught.value.__cause__, ValueError)
    assert "StorageError: refused" in caplog.text
    assert "test_a_traceback_has_no_causes" in caplog.text
    assert "secret" not in caplog.text
