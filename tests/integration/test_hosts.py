"""
URLs of several hosts: each is asked, and none that is silent takes all the time.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from asm_async import open_store
from asm_async.errors import StorageError, StorageUnavailableError
from asm_async.sql import SQLSessionStore, create_engine
from asm_async.sql.dialects.postgresql import hosts
from asm_async.testing.factories import make_session

pytestmark = pytest.mark.postgres


@pytest.fixture
def silent_port() -> Iterator[int]:
    """
    Yield a port on which connections are taken and nothing is ever answered.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.fixture
def closed_port() -> int:
    """
    Return a port on which nobody listens.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Return each host a fraction of its time.
    """
    monkeypatch.setattr(hosts, "_SECONDS_FOR_A_HOST", 0.3)
    monkeypatch.setattr(hosts, "_SECONDS_FOR_SLOW_HOSTS", 0.5)


class Several:
    """
    Makes URLs of one database by several ports of this machine.
    """

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self.port = self._url.port

    def url(self, *ports: int | None, **parameters: str) -> str:
        """
        Return the URL that names these ports in turn.
        """
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        user = f"{self._url.username}:{self._url.password}"
        addresses = ",".join(f"127.0.0.1:{port}" for port in ports)
        path = f"{self._url.database}{'?' * bool(query)}{query}"
        return f"postgres://{user}@{addresses}/{path}"


@pytest.fixture
def several(migrated_postgres_url: str) -> Several:
    """
    Return URLs of a database that has our tables.
    """
    return Several(migrated_postgres_url)


async def seconds_to_connect(url: str) -> float:
    """
    Take the time until a store is open.
    """
    began = time.monotonic()
    async with open_store(url) as store:
        assert await store.list_sessions() == []
        return time.monotonic() - began


@pytest.mark.parametrize("parameters", [{}, {"connect_timeout": "10"}])
async def test_a_first_host_that_is_frozen_is_left_in_less_than_five_seconds(
    several: Several, silent_port: int, parameters: dict[str, str]
) -> None:
    """
    The driver by itself would spend all its time on it.
    """
    url = several.url(silent_port, several.port, **parameters)

    assert await seconds_to_connect(url) < 5


@pytest.mark.usefixtures("little_time")
async def test_a_host_that_was_silent_is_asked_last_for_a_while(
    several: Several, silent_port: int
) -> None:
    """
    The connections that follow do not wait for it again, nor does one with less time.
    """
    engine = create_engine(several.url(silent_port, several.port), pool_size=4)
    async with engine.connect():
        began = time.monotonic()
        async with engine.connect(), engine.connect():
            taken = time.monotonic() - began
    await engine.dispose()

    assert taken < 0.3


async def test_a_store_with_little_time_gets_past_a_silent_host(
    several: Several, silent_port: int
) -> None:
    """
    The first call's time is over before the host's is; the second goes elsewhere.
    """
    engine = create_engine(several.url(silent_port, several.port))
    store = SQLSessionStore(engine, timeout=1.2)
    with pytest.raises(StorageUnavailableError):
        await store.list_sessions()

    assert await store.list_sessions() == []
    await store.aclose()
    await engine.dispose()


async def test_hosts_that_refuse_cost_no_time(
    several: Several, closed_port: int
) -> None:
    """
    In whichever order they stand.
    """
    assert await seconds_to_connect(several.url(closed_port, several.port)) < 2
    assert await seconds_to_connect(several.url(several.port, closed_port)) < 2


@pytest.mark.usefixtures("little_time")
async def test_where_no_host_can_be_used_each_is_told_of(
    several: Several, silent_port: int, closed_port: int
) -> None:
    """
    The error can be tried again, and names what is wrong with each.
    """
    with pytest.raises(StorageUnavailableError) as caught:
        async with open_store(several.url(closed_port, silent_port), timeout=0.1):
            pass

    message = str(caught.value)
    assert caught.value.retryable
    assert "none of 2 hosts" in message or "no connection was available" in message


async def test_what_is_the_callers_fault_is_told_at_once(several: Several) -> None:
    """
    A password that one host refuses is not shown to the others.
    """
    wrong = several.url(several.port, several.port).replace("@", "x@")
    began = time.monotonic()
    with pytest.raises(StorageError, match="password authentication failed") as caught:
        async with open_store(wrong):
            pass

    assert not caught.value.retryable
    assert time.monotonic() - began < 5


async def only_readable(url: str, *, is_on: bool) -> None:
    """
    Have new connections to a database begin as to a standby, or as usual.
    """
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    name = engine.url.database
    async with engine.connect() as conn:
        await conn.exec_driver_sql("SET default_transaction_read_only = off")
        await conn.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_read_only = {is_on}"
        )
    await engine.dispose()


@pytest.mark.parametrize("number", [1, 2])
async def test_where_all_are_standbys_one_that_is_promoted_in_time_is_found(
    several: Several, number: int
) -> None:
    """
    Until then that none fits is an error which is tried again.
    """
    url = several.url(*[several.port] * number, target_session_attrs="read-write")
    plain = several.url(several.port)
    await only_readable(plain, is_on=True)
    with pytest.raises(StorageUnavailableError):
        async with open_store(url, timeout=0.1):
            pass

    async def save() -> None:
        async with open_store(url, timeout=20) as store:
            await store.save_session(make_session())

    saving = asyncio.create_task(save())
    await asyncio.sleep(0.5)
    assert not saving.done()
    await only_readable(plain, is_on=False)
    await saving


async def test_a_standby_is_preferred_and_no_condition(several: Several) -> None:
    """
    Where there is none, whoever is there will do.
    """
    ports = (several.port, several.port)
    url = several.url(*ports, target_session_attrs="prefer-standby")

    assert await seconds_to_connect(url) < 5


async def test_what_a_url_tells_the_server_is_joined_with_the_callers_settings(
    several: Several,
) -> None:
    """
    The caller has the last word, and drops nothing else.
    """
    url = several.url(
        several.port, application_name="theirs", options="-c%20work_mem%3D1234kB"
    )
    settings = {"application_name": "ours", "search_path": "pg_catalog"}
    engine = create_engine(url, connect_args={"server_settings": settings})
    async with engine.connect() as conn:
        shown = [
            await conn.scalar(sa.text(f"SHOW {name}"))
            for name in ("application_name", "search_path", "work_mem")
        ]
    await engine.dispose()

    assert shown == ["ours", "pg_catalog", "1234kB"]
