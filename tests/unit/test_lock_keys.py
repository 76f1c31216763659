from __future__ import annotations

from asm_async.sql.dialects.postgresql.write import MIGRATIONS_KEY, session_lock_keys


def test_the_keys_are_pinned() -> None:
    """
    Every version of the package locks a session under the same signed 64-bit number.
    """
    assert MIGRATIONS_KEY == -5127118774886325171
    assert session_lock_keys(["ses_1"]) == [7754498945862506153]
    assert session_lock_keys(["ses_2"]) == [-8161818919939906450]
    assert session_lock_keys(["é"]) == [1886891048010235392]


def test_keys_come_in_one_order_whatever_the_order_of_the_sessions() -> None:
    """
    The order of locking is that of the keys, each of which is taken once.
    """
    ids = [f"ses_{number}" for number in range(100)]

    forwards = session_lock_keys(ids)

    assert session_lock_keys([*reversed(ids), *ids]) == forwards
    assert forwards == sorted(set(forwards))
    assert len(forwards) == 100


def test_no_sessions_have_no_keys() -> None:
    """
    An empty batch locks nothing.
    """
    assert session_lock_keys(()) == []


def test_every_key_fits_what_postgresql_calls_a_bigint() -> None:
    """
    Keys are signed numbers of 64 bits, on both sides of zero.
    """
    keys = session_lock_keys(f"ses_{number}" for number in range(1_000))

    assert -(2**63) <= keys[0] < 0 < keys[-1] < 2**63


def test_a_session_named_like_nothing_does_not_lock_migrations() -> None:
    """
    Sessions and migrations have namespaces of their own.
    """
    assert MIGRATIONS_KEY not in session_lock_keys(["", "migrations", "session"])
