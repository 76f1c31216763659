"""
Whatever is given as a database URL, it is one or is refused as such.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asm_async import open_store
from asm_async.errors import (
    ASMError,
    MissingDependencyError,
    UnsupportedOperationError,
    ValidationError,
)
from asm_async.sql import create_engine
from asm_async.sql.runtime.urls import read_url
from asm_async.testing.strategies import json_texts
from asm_async.testing.wrong_values import anything, sql_texts
from tests.effort import examples

texts = st.text(max_size=20) | json_texts() | sql_texts()
drivers = st.sampled_from(
    ["sqlite", "sqlite+aiosqlite", "postgresql", "postgresql+asyncpg", "mysql", ""]
)
parameters = st.sampled_from(
    ["uri", "timeout", "ssl", "sslmode", "statement_cache_size", "host", "port", "mode"]
) | st.sampled_from(
    ["sslrootcert", "options", "user", "password", "pgbouncer", "connect_timeout"]
)
queries = st.dictionaries(parameters | texts, texts | st.lists(texts), max_size=2)


def refusal(url: Any) -> ASMError | None:
    """
    Return the error that *url* is refused with; None if there is none.
    """
    try:
        create_engine(url)
    except (ValidationError, UnsupportedOperationError) as error:
        return error
    return None


@given(texts | anything() | st.builds("{}://{}".format, drivers, texts))
@example("postgresql://a..b/c")
@example("postgresql://" + "a" * 64)
@example("sqlite://host/path")
@example("sqlite:///a\0b")
@example("postgresql://h/d?statement_cache_size=x")
@example("postgresql://h:99999/d")
def test_any_text_is_a_url_or_none(url: Any) -> None:
    """
    Nothing but an engine or one of our errors comes of it.
    """
    error = refusal(url)
    if isinstance(error, ValidationError):
        assert str(error).startswith("url: ")


@given(
    driver=st.sampled_from(["sqlite", "postgresql"]),
    user=st.none() | texts,
    password=st.none() | texts.map("hush{}".format),
    host=st.none() | texts,
    port=st.none() | st.integers(-1, 70_000),
    database=st.none() | texts,
    query=queries,
)
def test_a_password_is_never_repeated(driver: str, **parts: Any) -> None:
    """
    Whatever else is wrong with the parts of a URL.
    """
    parts["username"] = parts.pop("user")
    try:
        url = sa.URL.create(driver, **parts)
    except (TypeError, ValueError):
        return

    error = refusal(url)
    assert error is None or "hush" not in str(error)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://h/d?foo=bar", "url: this driver has no parameter 'foo'"),
        ("sqlite:///x?mode=ro", "url: this driver has no parameter 'mode'"),
        ("sqlite:///file:x?uri=maybe", "url: uri: 'maybe' is not one of true, false"),
        ("postgresql://h/d?ssl=on", "url: ssl: 'on' is not one of disable, allow"),
        (
            "postgresql://h/d?sslmode=on",
            "url: sslmode: 'on' is not one of disable, allow",
        ),
        ("postgresql://h/d?sslmode=true", "url: sslmode: 'true' is not one of disable"),
        ("postgresql://h/d?timeout=1&timeout=2", "url: timeout: it is given twice"),
        ("sqlite:///file:x?uri=true&mode=ro&mode=rw", "url: mode: it is given twice"),
        (
            "postgresql://h/d?timeout=nan",
            "url: timeout: 'nan' is not a time in seconds",
        ),
        ("postgresql://h/d?statement_cache_size=-1", "url: statement_cache_size: '-1'"),
        ("postgresql://h:70000/d", "url: port: expected a number from 1 to 65535"),
        ("postgresql://h/d?port=x", "url: port: expected a number from 1 to 65535"),
        (
            "postgresql://u:p%00@h/d",
            "url: the password holds a NUL or a lone surrogate",
        ),
        ("postgresql://h/\ud800", "url: the database holds a NUL or a lone surrogate"),
        ("postgresql://a..b/d", "url: 'a..b' is not a host name"),
        ("postgresql:///d?host=a:1&host=b..c:2", "url: 'b..c' is not a host name"),
        (
            "postgresql:///d?host=a:1&host=b:70000",
            "url: port: expected a number from 1 to",
        ),
        ("sqlite://host/x", "url: Invalid SQLite URL"),
    ],
)
async def test_what_the_driver_could_not_make_sense_of_is_named(
    url: str, complaint: str
) -> None:
    """
    Before anything is connected.
    """
    with pytest.raises(ValidationError) as caught:
        async with open_store(url):
            raise AssertionError

    assert str(caught.value).startswith(complaint)


def test_what_a_url_says_reaches_the_driver() -> None:
    """
    Numbers as numbers, and texts as they are.
    """
    url, arguments = read_url(
        "postgresql://h/d?sslmode=require&statement_cache_size=0&timeout=2.5"
    )

    assert url.drivername == "postgresql+asyncpg"
    assert arguments == {"ssl": "require", "statement_cache_size": 0, "timeout": 2.5}
    assert dict(url.query) == {}
    try:
        engine = create_engine(url, connect_args=arguments)
    except MissingDependencyError:
        return
    assert engine.url.host == "h"


@given(durability=anything(), timeout=anything())
@settings(max_examples=examples(50))
async def test_options_of_a_store_are_taken_or_named(
    durability: Any, timeout: Any
) -> None:
    """
    They are refused before anything is connected.
    """
    if durability != "full":
        with pytest.raises(ValidationError, match=r"^durability: "):
            create_engine("sqlite://", durability=durability)
    if isinstance(timeout, float | int) and not isinstance(timeout, bool):
        timeout = str(timeout) if 0 < timeout < 1e300 else -1
    with pytest.raises(ValidationError, match=r"^timeout: "):
        async with open_store("sqlite://", migrate=True, timeout=timeout):
            raise AssertionError
