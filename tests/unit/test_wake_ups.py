from __future__ import annotations

import pytest

from asm_async.sql.wake_ups import WakeUps


def test_all_who_wait_for_a_session_are_woken() -> None:
    """
    A notice reaches every waiter of the sessions that it names, and nobody else.
    """
    wake_ups = WakeUps()
    with (
        wake_ups.waiting_for("ses_1") as first,
        wake_ups.waiting_for("ses_1") as second,
        wake_ups.waiting_for("ses_2") as third,
        wake_ups.waiting_for("ses_3") as other,
    ):
        wake_ups.notify({"ses_1", "ses_2"})

        assert first.is_set()
        assert second.is_set()
        assert third.is_set()
        assert not other.is_set()


def test_everyone_can_be_woken() -> None:
    """
    When a store closes, waiters of all sessions wake up.
    """
    wake_ups = WakeUps()
    with wake_ups.waiting_for("ses_1") as one, wake_ups.waiting_for("ses_2") as other:
        wake_ups.notify_all()

        assert one.is_set()
        assert other.is_set()


def test_a_notice_is_kept_until_it_is_cleared() -> None:
    """
    A waiter that is notified while it reads finds the notice when it comes to wait.
    """
    wake_ups = WakeUps()
    with wake_ups.waiting_for("ses_1") as hint:
        hint.clear()
        wake_ups.notify(["ses_1"])

        assert hint.is_set()


def test_who_has_stopped_waiting_is_forgotten() -> None:
    """
    No trace of a session remains when its last waiter has gone, also by an error.
    """
    wake_ups = WakeUps()
    with wake_ups.waiting_for("ses_1") as staying:
        with (
            pytest.raises(LookupError),
            wake_ups.waiting_for("ses_1") as leaving,
            wake_ups.waiting_for("ses_2"),
        ):
            raise LookupError
        wake_ups.notify(["ses_1", "ses_2"])

        assert staying.is_set()
        assert not leaving.is_set()
    assert wake_ups._waiters == {}


def test_notifying_nobody_does_nothing() -> None:
    """
    A session without waiters may be notified.
    """
    wake_ups = WakeUps()

    wake_ups.notify(["ses_1"])
    wake_ups.notify_all()

    assert wake_ups._waiters == {}
