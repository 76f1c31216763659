from __future__ import annotations

import pytest

from asm_async.sql.notifications.hub import NotificationHub, WakeUp


def test_all_who_wait_for_a_session_are_woken() -> None:
    """
    A notice reaches every waiter of the sessions that it names, and nobody else.
    """
    hub = NotificationHub()
    with (
        hub.waiting_for("ses_1") as first,
        hub.waiting_for("ses_1") as second,
        hub.waiting_for("ses_2") as third,
        hub.waiting_for("ses_3") as other,
    ):
        hub.publish({"ses_1", "ses_2"})

        assert first.is_set()
        assert second.is_set()
        assert third.is_set()
        assert not other.is_set()


def test_everyone_can_be_woken() -> None:
    """
    When a store closes, waiters of all sessions wake up.
    """
    hub = NotificationHub()
    with hub.waiting_for("ses_1") as one, hub.waiting_for("ses_2") as other:
        hub.notify_all()

        assert one.is_set()
        assert other.is_set()


def test_a_notice_is_kept_until_it_is_cleared() -> None:
    """
    A waiter that is notified while it reads finds the notice when it comes to wait.
    """
    hub = NotificationHub()
    with hub.waiting_for("ses_1") as hint:
        hint.clear()
        hub.publish(["ses_1"])

        assert hint.is_set()


def test_who_has_stopped_waiting_is_forgotten() -> None:
    """
    No trace of a session remains when its last waiter has gone, also by an error.
    """
    hub = NotificationHub()
    with hub.waiting_for("ses_1") as staying:
        with (
            pytest.raises(LookupError),
            hub.waiting_for("ses_1") as leaving,
            hub.waiting_for("ses_2"),
        ):
            raise LookupError
        hub.publish(["ses_1", "ses_2"])

        assert staying.is_set()
        assert not leaving.is_set()
    assert hub._waiters == {}


def test_notifying_nobody_does_nothing() -> None:
    """
    A session without waiters may be notified.
    """
    hub = NotificationHub()

    hub.publish(["ses_1"])
    hub.notify_all()

    assert hub._waiters == {}


def test_whoever_waits_for_all_sessions_is_woken_by_any() -> None:
    """
    A notice of one session reaches those who wait for all of them.
    """
    hub = NotificationHub()
    with hub.waiting_for(None) as all_, hub.waiting_for("ses_2") as other:
        hub.publish(["ses_1"])

        assert all_.is_set()
        assert not other.is_set()
        assert hub.follows_all
        assert hub.followed_sessions() == {"ses_2"}


def test_what_this_process_writes_is_announced_to_others() -> None:
    """
    What is heard from others is not passed on.
    """
    announced: list[object] = []
    hub = NotificationHub(announced.append)
    hub.publish(["ses_1"])
    hub.on_announcement(["ses_2"])
    hub.on_remote_commit({"ses_3": 1}, (0, 1))

    assert announced == [{"ses_1"}]


def test_whoever_has_seen_the_news_is_not_woken() -> None:
    """
    News with numbers reach only those who are behind them.
    """
    hub = NotificationHub()
    with (
        hub.waiting_for("ses_1") as behind,
        hub.waiting_for("ses_1") as ahead,
        hub.waiting_for(None) as all_behind,
        hub.waiting_for(None) as all_ahead,
    ):
        behind.seen, ahead.seen = (0, 3), (0, 4)
        all_behind.seen, all_ahead.seen = (7, 9), (8, 1)
        hub.on_remote_commit({"ses_1": 4}, (8, 1))

        assert (behind.is_set(), ahead.is_set()) == (True, False)
        assert (all_behind.is_set(), all_ahead.is_set()) == (True, False)


def test_a_change_of_status_wakes_those_who_asked_for_it() -> None:
    """
    Others read events alone, and there are none.
    """
    hub = NotificationHub()
    with hub.waiting_for("ses_1") as reader:
        hub.on_unknown_change()
        assert not hub.something_changed.is_set()
        with hub.waiting_for("ses_1", WakeUp(watches_status=True)) as watcher:
            hub.on_standing("ses_1", ("live", "running"))
            hub.on_unknown_change()

            assert watcher.is_set()
        assert not reader.is_set()
        assert hub.something_changed.is_set()


def test_a_change_of_status_wakes_until_it_was_read() -> None:
    """
    Whoever is woken by what one server has may read another one that lags.
    """
    hub, watcher = NotificationHub(), WakeUp(watches_status=True)
    with hub.waiting_for("ses_1", watcher):
        for _ in range(2):
            watcher.clear()
            watcher.seen_standing = ("live", "running")
            hub.on_standing("ses_1", ("live", "completed"))
            assert watcher.is_set()
        watcher.clear()
        watcher.seen_standing = ("live", "completed")
        hub.on_standing("ses_1", ("live", "completed"))
        assert not watcher.is_set()
