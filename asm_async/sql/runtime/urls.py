"""
Database URLs: what they may say, and what of it the driver is told as an argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy import exc

from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.values import fields

_Reader: TypeAlias = Callable[[str, str], object]

_DRIVERS = MappingProxyType(
    {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
)

# What the URLs of hosted databases say in libpq's words, in asyncpg's.
_SYNONYMS = MappingProxyType({"sslmode": "ssl"})

_ENCRYPTIONS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SERVERS = (
    "any",
    "primary",
    "standby",
    "read-write",
    "read-only",
    "prefer-standby",
)

_UNFIT = re.compile("[\0\ud800-\udfff]")

_LAST_PORT = 65_535
_MAX_DIGITS = 9


def _whole_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValidationError(f"{name}: {text!a} is no whole number")
    return int(text)


def _seconds(text: str, name: str) -> float:
    try:
        seconds = fields.amount(float(text), name)
    except ValueError:
        seconds = 0
    if not seconds:
        raise ValidationError(f"{name}: {text!a} is no time in seconds")
    return seconds


# Each parameter of a URL, and what reads it if the driver wants no text.
_PARAMETERS: Mapping[str, Mapping[str, _Reader | None]] = MappingProxyType(
    {
        "sqlite": {
            "cached_statements": _whole_number,
            "timeout": _seconds,
            "uri": partial(fields.one_of, known=("true", "false")),
        },
        "postgresql": {
            "command_timeout": _seconds,
            "host": None,
            "krbsrvname": None,
            "max_cacheable_statement_size": _whole_number,
            "max_cached_statement_lifetime": _whole_number,
            "passfile": None,
            "port": None,
            "prepared_statement_cache_size": _whole_number,
            "ssl": partial(fields.one_of, known=_ENCRYPTIONS),
            "statement_cache_size": _whole_number,
            "target_session_attrs": partial(fields.one_of, known=_SERVERS),
            "timeout": _seconds,
        },
    }
)

# SQLite's own, of a file that is named by a URI (sqlite.org/uri.html).
_OF_FILES = ("cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs")


def read_url(url: object) -> tuple[sa.URL, dict[str, Any]]:
    """
    Read a database URL.

    Returns:
        The URL with the driver's name in it, and the driver's arguments that it holds.

    Raises:
        ValidationError: If it is none, or says what the driver could not make sense of.

        UnsupportedOperationError: If it names another database or driver.
    """
    target = _with_driver(url)
    _check_texts(target)
    kind = target.get_backend_name()
    query = {_SYNONYMS.get(key, key): value for key, value in target.query.items()}
    allowed: Mapping[str, _Reader | None] = _PARAMETERS[kind]
    if query.get("uri") == "true":
        allowed = {**dict.fromkeys(_OF_FILES), **allowed}
    arguments: dict[str, Any] = {}
    for name, value in query.items():
        if name not in allowed:
            raise ValidationError(
                f"url: {name!a} is no parameter of this driver's; there are"
                f" {', '.join(allowed)}"
            )
        if read := allowed[name]:
            if not isinstance(value, str):
                raise ValidationError(f"url: {name}: it stands twice")
            arguments[name] = read(value, f"url: {name}")
    # SQLite's driver is told by way of the URL whether it names a file by a URI.
    kept = {key: value for key, value in query.items() if key not in arguments}
    if "uri" in query:
        kept["uri"] = str(arguments.pop("uri"))
    target = target.set(query=kept)
    _check_address(target)
    return target, arguments


def _with_driver(url: object) -> sa.URL:
    try:
        # It refuses what is neither text nor a URL.
        target = sa.make_url(cast("str", url))
    except (exc.ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        raise ValidationError("url: this is no database URL") from None
    name = _DRIVERS.get(target.drivername, target.drivername)
    if name not in _DRIVERS.values():
        raise UnsupportedOperationError(
            f"{target.drivername} is not supported: use"
            f" {' or '.join(_DRIVERS.values())}"
        )
    return target.set(drivername=name)


def _check_texts(target: sa.URL) -> None:
    parts = {
        "user": target.username,
        "password": target.password,
        "host": target.host,
        "database": target.database,
        **{f"parameter {key!a}": "".join(value) for key, value in target.query.items()},
    }
    for name, part in parts.items():
        # Not repeated, since it may be the password.
        if _UNFIT.search(part or ""):
            raise ValidationError(f"url: the {name} holds a NUL or a lone surrogate")


def _check_address(target: sa.URL) -> None:
    try:
        _, told = target.get_dialect()().create_connect_args(target)
    except (exc.ArgumentError, ValueError) as error:
        raise ValidationError(f"url: {str(error).splitlines()[0]}") from None
    for host in _several(told.get("host")):
        try:
            host.encode("idna")
        except UnicodeError:
            raise ValidationError(f"url: {host!a} is no name of a host") from None
    for port in _several(told.get("port")):
        if not 0 < port <= _LAST_PORT:
            raise ValidationError(f"url: {port} is no port: they go up to {_LAST_PORT}")


def _several(value: Any) -> Collection[Any]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str | int) else value
