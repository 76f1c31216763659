"""
Database URLs as people have them: what of them is kept, left out, or refused.
"""

from __future__ import annotations

import ssl
import traceback
from pathlib import Path
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.sql import create_engine
from asm_async.sql.dialects.postgresql.hosts import engine_options
from asm_async.sql.dialects.postgresql.tls import TLS
from asm_async.sql.runtime.urls import read_url

PLAIN = "postgres://me:hush@host/db"
SETTINGS = "server_settings"


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("postgres://me:hush@host/db", {}),
        ("postgresql://me:hush@host/db", {}),
        ("postgresql+asyncpg://me:hush@host/db", {}),
        ("POSTGRES://me:hush@host/db", {}),
        (" postgres://me:hush@host/db\r\n", {}),
        (f"{PLAIN}?sslmode=require&channel_binding=require", {"ssl": "require"}),
        (
            f"{PLAIN}?options=endpoint%3Dep-a-1&sslmode=require",
            {"ssl": "require", SETTINGS: {"options": "endpoint=ep-a-1"}},
        ),
        (
            f"{PLAIN}?options=-c%20search_path%3Db,public",
            {SETTINGS: {"options": "-c search_path=b,public"}},
        ),
        (
            f"{PLAIN}?application_name=agent&connect_timeout=10",
            {"timeout": 10, SETTINGS: {"application_name": "agent"}},
        ),
        (
            f"{PLAIN}?fallback_application_name=agent",
            {SETTINGS: {"application_name": "agent"}},
        ),
        (f"{PLAIN}?connect_timeout=0", {"timeout": None}),
        (f"{PLAIN}?ssl=true", {"ssl": "require"}),
        (
            f"{PLAIN}?pgbouncer=true",
            {"statement_cache_size": 0},
        ),
        (f"{PLAIN}?sslmode=disable&supa=base-pooler.x", None),
        (
            f"{PLAIN}?keepalives=1&keepalives_idle=30&keepalives_interval=10",
            {},
        ),
        (f"{PLAIN}?keepalives_count=5&tcp_user_timeout=9000&sslsni=1", {}),
        (f"{PLAIN}?gssencmode=disable&client_encoding=UTF8", {}),
        ("postgres://host/db?user=me&password=hush", {}),
        ("postgres://me:hush@host?dbname=db", {}),
        ("postgres://me:hush@/db?host=host", {}),
        (
            f"{PLAIN}?sslnegotiation=direct&sslmode=require",
            {"ssl": "require", "direct_tls": True},
        ),
    ],
)
def test_a_url_is_taken_as_its_provider_prints_it(
    url: str, arguments: dict[str, Any] | None
) -> None:
    """
    What the driver has another word for is translated, and what is harmless left out.
    """
    read, told = read_url(url)

    assert (read.drivername, read.host) == ("postgresql+asyncpg", "host")
    assert (read.username, read.password, read.database) == ("me", "hush", "db")
    assert told == ({"ssl": "disable"} if arguments is None else arguments)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("postgres://a:1,b:2/d", [("a", 1), ("b", 2)]),
        ("postgres://a,b/d", [("a", 5432), ("b", 5432)]),
        ("postgres://a,b:2/d", [("a", 5432), ("b", 2)]),
        ("postgres://u:p@[::1]:1,[fe80::2]:2/d", [("::1", 1), ("fe80::2", 2)]),
        ("postgres:///d?host=a,b&port=1,2", [("a", 1), ("b", 2)]),
        ("postgres:///d?host=a,b&port=1", [("a", 1), ("b", 1)]),
        ("postgres://a,b/d?port=1,2", [("a", 1), ("b", 2)]),
        ("postgres:///d?host=a:1&host=b:2", [("a", 1), ("b", 2)]),
        ("postgres:///d?host=a:1,b:2", [("a", 1), ("b", 2)]),
        ("postgres:///d?host=::1,::2", [("::1", 5432), ("::2", 5432)]),
    ],
)
def test_several_hosts_are_taken_in_any_form(
    url: str, addresses: list[tuple[str, int]]
) -> None:
    """
    As libpq, asyncpg and SQLAlchemy have them; the driver gets them as two lists.
    """
    read, _ = read_url(url)
    _, told = read.get_dialect()().create_connect_args(read)

    assert [*zip(told["host"], told["port"], strict=True)] == addresses
    assert read_url(read)[0] == read


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgres:///d?host=/cloudsql/project:region:name", None, None),
        ("postgres://%2Fcloudsql%2Fproject%3Aregion%3Aname/d", None, None),
        ("postgres:///d?host=/cloudsql/project:region:name&port=5433", None, 5433),
        ("postgres://[::1]:5433/d", "::1", 5433),
        ("postgres:///d?host=::1&port=5433", "::1", 5433),
        ("postgres://:5433/d", None, 5433),
        ("postgres:///d", None, None),
    ],
)
def test_one_host_is_a_name_an_address_or_a_directory_of_sockets(
    url: str, host: str | None, port: int | None
) -> None:
    """
    None is where the driver looks by itself.
    """
    read, _ = read_url(url)
    _, told = read.get_dialect()().create_connect_args(read)

    directory = "/cloudsql/project:region:name" if "cloudsql" in url else host
    assert (read.host, told.get("host")) == (host, directory)
    assert (read.port, told.get("port")) == (port, port)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgres://h/d?ssl", "url: the parameter 'ssl' has no value"),
        ("postgres://h/d?ssl=", "url: the parameter 'ssl' has no value"),
        ("postgres://h/d?sslmode=", "url: the parameter 'sslmode' has no value"),
        ("postgres://h/d?sslmode=+", "url: the parameter 'sslmode' has no value"),
        ("postgres://h/d?application_name=", "url: the parameter 'application_name'"),
        ("postgres://h/d?foo", "url: the parameter 'foo' has no value"),
        ("postgres://h/d?", "url: the parameter '' has no value"),
        ("postgres://h/d?ssl=require&", "url: the parameter '' has no value"),
        ("postgres:///d?host=", "url: the parameter 'host' has no value"),
        ("postgres:///d?host=a&port=", "url: port: expected a number from 1 to 65535"),
        ("postgres://h:/d", "url: port: expected a number from 1 to 65535"),
        ("postgres://h:5432x/d", "url: port: expected a number from 1 to 65535"),
        (
            "postgres://h/d?sslmode=verify-full&ssl=disable",
            "url: ssl: sslmode means the same: give one",
        ),
        ("postgres://h/d?ssl=disable&ssl=require", "url: ssl: it is given twice"),
        ("postgres://h/d?timeout=5&connect_timeout=5", "url: connect_timeout: timeout"),
        ("postgres://h/d?dbname=e", "url: database: it is given before the"),
        ("postgres://u@h/d?user=v", "url: user: it is given before the parameters too"),
        ("postgres://u:p@h/d?password=q", "url: password: it is given before"),
        ("postgres://h/d?host=g", "url: host: the URL names a host before its path"),
        ("postgres://h:1/d?port=2", "url: port: a host names its own port too"),
        ("postgres://a,b,c/d?port=1,2", "url: port: 2 ports for 3 hosts"),
        ("postgres://a,,c/d", "url: one of several hosts is empty"),
        ("postgres://::1/d", "url: write an IPv6 address in brackets"),
        (
            "postgres://h/d?pgbouncer=true&statement_cache_size=9",
            "url: pgbouncer=true needs statement_cache_size=0",
        ),
        ("postgres://h/d?sslrootcert=ca.pem", "url: sslrootcert needs sslmode=require"),
        (
            "postgres://h/d?sslmode=prefer&sslcert=a&sslkey=b",
            "url: sslcert needs sslmode=require",
        ),
        (
            "postgres://h/d?sslkey=k&sslmode=require",
            "url: sslkey needs the key's",
        ),
        (
            "postgres://h/d?sslnegotiation=direct",
            "url: sslnegotiation needs sslmode=require",
        ),
        (
            "postgres://h/d?sslmode=require&sslrootcert=system",
            "url: sslrootcert=system needs sslmode=verify-full",
        ),
        ("postgres://h/d?service=x", "url: service is not supported: write what"),
        ("postgres://h/d?schema=x", "url: schema is not supported: say options="),
        (
            "postgres://h/d?connection_limit=1",
            "url: connection_limit is not supported",
        ),
        ("postgres://h/d?require_auth=scram-sha-256", "url: require_auth is not"),
        (
            "postgres://h/d?gssencmode=require",
            "url: gssencmode: 'require' is not one of",
        ),
        ("postgres://h/d?client_encoding=latin1", "url: client_encoding: 'latin1' is"),
        (
            "postgres://h/d?load_balance_hosts=random",
            "url: load_balance_hosts: ",
        ),
        ("postgres://h/d\n?ssl=require", "url: it holds a line end"),
        ("postgres://h/%FF", "url: the %-codes of the database are not UTF-8"),
        ("sqlite:///a?b.db", "url: the parameter 'b.db' has no value"),
        ("sqlite:////data/a?b.db", "url: the parameter 'b.db' has no value"),
        ("sqlite:////data/a.db?mode", "url: the parameter 'mode' has no value"),
        ("sqlite:////data/why?", "url: the parameter '' has no value"),
        ("sqlite:////data/a?b=c.db", "url: this driver has no parameter 'b'"),
        ("sqlite:///file:a%3Fb?uri=true", "url: write a ? or # in the name"),
        ("sqlite:///file:a#b?uri=true", "url: write a ? or # in the name"),
        ("sqlite:///a.db?uri=true&mode=ro", "url: uri=true needs a name that begins"),
        ("sqlite:///%FF.db", "url: the %-codes of the database are not UTF-8"),
    ],
)
def test_what_would_be_lost_or_contradicts_itself_is_refused(
    url: str, complaint: str
) -> None:
    """
    A blank, such as of a variable that is not set, is never taken for nothing.
    """
    with pytest.raises(ValidationError) as caught:
        read_url(url)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite:///a%3Fb.db", "a?b.db"),
        ("sqlite:////data/a&b.db", "/data/a&b.db"),
        ("sqlite:////home/me@host/a#b.db", "/home/me@host/a#b.db"),
        ("sqlite:////data/a b.db\n", "/data/a b.db"),
        ("sqlite:///file:a%253Fb.db?uri=true", "file:a%3Fb.db"),
    ],
)
def test_a_path_of_sqlites_is_taken_whole(url: str, database: str) -> None:
    """
    A ? is told from the beginning of the parameters by its %-code.
    """
    assert read_url(url)[0].database == database


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:hush@hush@host/d",
        "postgres://u:hush@hush:hush@host/d",
        "postgres://u:hush@hush/hush@host/d",
        "postgres://u:hush@hush?hush@host/d",
        "postgres://u:hush@hush?ssl=hush@host/d",
        "postgres://u:hush/hush@hush@host/d",
        "postgres://u:1234/hush@host/d",
        "postgres://u:hush/d",
        "postgres://u:hush",
        "postgres://u:hush?x",
        f"postgres://u:hush@{'hush' * 20}@host/d",
        f"postgres://u:hush@{'hush' * 20}..@host/d",
        "postgres://u/:hush@host/d",
        "postgresql:u:hush@host/d",
        "//u:hush@host/d",
        "u:hush@host/d",
        "'postgres://u:hush@host/d'",
        "postgres://u:hush@host/d\nx",
        "sqlite://u:hush@hush@host",
        "sqlite://u:hush@host/path",
        "postgres://h/d?password=hush&password=hush",
        "postgres://h/d?sslpassword=hush&sslmode=require",
        "postgres://u:%FFhush@h/d",
        "postgres://u:hush@host/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem",
    ],
)
def test_no_part_of_a_password_is_told(url: str) -> None:
    """
    Also where an @ or another character in it should have been a %-code.
    """
    with pytest.raises(ValidationError) as caught:
        create_engine(url)

    lines = "".join(traceback.format_exception(caught.value)).splitlines()
    assert [line for line in lines if "hush" in line and "caught" not in line] == []


def test_a_password_with_other_signs_is_taken_as_it_stands() -> None:
    """
    What SQLAlchemy reads without %-codes, this reads alike.
    """
    for password in ("a/b", "a?b", "a:b", "a#b", "a b", "100%", "a+b", "a%40b"):
        read, _ = read_url(f"postgres://me@azure:{password}@host:5433/db?ssl=require")

        assert read.username == "me@azure"
        assert read.password == password.replace("%40", "@")
        assert (read.host, read.port, read.database) == ("host", 5433, "db")


def test_what_is_missing_of_tls_is_told_before_anything_is_connected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    With nothing to compare the server's certificate with, the error says what to do.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    for mode in ("verify-ca", "verify-full"):
        with pytest.raises(ValidationError, match=r"sslrootcert=FILE.*PGSSLROOTCERT"):
            create_engine(f"postgres://host/db?sslmode={mode}")
    with pytest.raises(ValidationError, match=r"sslrootcert: '.*' cannot be read: No"):
        create_engine(f"postgres://host/db?ssl=verify-ca&sslrootcert={tmp_path}/ca")


def test_the_systems_authorities_are_asked_for_by_name() -> None:
    """
    As libpq has it, the server is then verified.
    """
    _, told = read_url("postgres://host/db?sslrootcert=system")

    assert told == {"ssl": TLS(sslmode="verify-full", sslrootcert="system")}
    assert told["ssl"].context().check_hostname


def test_a_callers_own_way_to_connect_gets_what_the_driver_takes() -> None:
    """
    Certificates come as a context there, which is read once.
    """

    async def connect(**_: Any) -> None:
        """
        Not called.
        """

    _, told = read_url("postgres://host/db?sslrootcert=system")
    options = engine_options({**told, "async_creator_fn": connect})["connect_args"]

    assert options["async_creator_fn"] is connect
    assert isinstance(options["ssl"], ssl.SSLContext)
