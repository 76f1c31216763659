"""
URLs of PostgreSQL databases, as hosts print them: libpq's parameters, for asyncpg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from asm_async.errors import ValidationError
from asm_async.sql.dialects.postgresql.addresses import Address, read_addresses
from asm_async.sql.dialects.postgresql.tls import SYSTEM, TLS, VERSIONS
from asm_async.sql.dialects.urls import (
    Reader,
    URLParts,
    seconds,
    unknown_parameter,
    whole_number,
)
from asm_async.values import fields

DRIVER = "postgresql+asyncpg"

# One thing under two names: libpq's, and asyncpg's or SQLAlchemy's.
_SYNONYMS = MappingProxyType(
    {"connect_timeout": "timeout", "dbname": "database", "sslmode": "ssl"}
)

_ENCRYPTIONS = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_STRONG = ("require", "verify-ca", "verify-full")
_SERVERS = (
    "any",
    "primary",
    "standby",
    "read-write",
    "read-only",
    "prefer-standby",
)


def _encryption(text: str, name: str) -> str:
    # As libpq takes it, for URLs that were written for JDBC.
    if (name, text) == ("url: ssl", "true"):
        return "require"
    return fields.one_of(text, name, _ENCRYPTIONS)


def _connect_timeout(text: str, name: str) -> float | None:
    # To libpq, 0 and less mean that there is none.
    return whole_number(text.removeprefix("-"), name) * ("-" not in text) or None


def _utf8(text: str, name: str) -> str:
    fields.one_of(text.lower(), name, ("utf8", "utf-8", "unicode", "auto"))
    return text


def _text(text: str, _: str) -> str:
    return text


def _one_of(*known: str) -> Reader:
    return partial(fields.one_of, known=known)


# What the driver takes as it is, and what reads it.
_ARGUMENTS: Mapping[str, Reader] = MappingProxyType(
    {
        "command_timeout": seconds,
        "gsslib": _one_of("gssapi", "sspi"),
        "krbsrvname": _text,
        "max_cacheable_statement_size": whole_number,
        "max_cached_statement_lifetime": whole_number,
        "passfile": _text,
        "prepared_statement_cache_size": whole_number,
        "ssl": _encryption,
        "statement_cache_size": whole_number,
        "target_session_attrs": _one_of(*_SERVERS),
        "timeout": seconds,
    }
)

# What the server is told at the beginning of each connection.
_SETTINGS: Mapping[str, Reader] = MappingProxyType(
    {"application_name": _text, "options": _text}
)

# Of TLS, beside how much of it there is to be.
_CERTIFICATES: Mapping[str, Reader] = MappingProxyType(
    {
        "sslcert": _text,
        "sslcrl": _text,
        "sslkey": _text,
        "sslpassword": _text,
        "sslrootcert": _text,
        "ssl_max_protocol_version": _one_of(*VERSIONS),
        "ssl_min_protocol_version": _one_of(*VERSIONS),
    }
)

# What changes nothing with these values, and is left out. The driver binds no channel:
# where the server must prove who it is, that is for sslmode=verify-full.
_HARMLESS: Mapping[str, Reader] = MappingProxyType(
    {
        "channel_binding": _one_of("disable", "prefer", "require"),
        "client_encoding": _utf8,
        "gssdelegation": _one_of("0"),
        "gssencmode": _one_of("disable", "prefer"),
        "keepalives": _one_of("0", "1"),
        "keepalives_count": whole_number,
        "keepalives_idle": whole_number,
        "keepalives_interval": whole_number,
        "load_balance_hosts": _one_of("disable"),
        "sslcompression": _one_of("0"),
        "sslsni": _one_of("1"),
        "supa": _text,
        "tcp_user_timeout": whole_number,
        "uselibpqcompat": _one_of("true"),
    }
)

# What is read in ways of its own.
_OTHERS: Mapping[str, Reader] = MappingProxyType(
    {
        "connect_timeout": _connect_timeout,
        "database": _text,
        "dbname": _text,
        "fallback_application_name": _text,
        "password": _text,
        "pgbouncer": _one_of("true", "false"),
        "sslmode": _encryption,
        "sslnegotiation": _one_of("postgres", "direct"),
        "user": _text,
    }
)

_KNOWN: Mapping[str, Reader] = MappingProxyType(
    {**_ARGUMENTS, **_SETTINGS, **_CERTIFICATES, **_HARMLESS, **_OTHERS}
)

_IN_OPTIONS = "say options=-c%20{}%3DVALUE, which the server is told"
_OF_POOLS = (
    "give create_engine or open_store pool_size=, max_overflow= or pool_timeout="
)
_UNCHECKED = "asyncpg cannot do that, and to leave it out would be less safe"

# What people write, and what to write in its place.
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "connection_limit": _OF_POOLS,
        "currentSchema": _IN_OPTIONS.format("search_path"),
        "hostaddr": "write the address as the host",
        "pool_timeout": _OF_POOLS,
        "replication": "a store needs an ordinary connection",
        "require_auth": _UNCHECKED,
        "requirepeer": _UNCHECKED,
        "schema": _IN_OPTIONS.format("search_path"),
        "search_path": _IN_OPTIONS.format("search_path"),
        "service": "write what the service file says into the URL: from there it could"
        " not be checked",
        "sslcertmode": _UNCHECKED,
        "sslcrldir": "name one file by sslcrl",
        "statement_timeout": _IN_OPTIONS.format("statement_timeout"),
    }
)


def read_postgresql_url(parts: URLParts) -> tuple[sa.URL, dict[str, Any]]:
    """
    Read the URL of a server's database: SQLAlchemy's URL, and the driver's arguments.

    Raises:
        ValidationError: If a part of it would be lost on the driver, or contradicts
            another.
    """
    if parts.has_stray_at:
        raise ValidationError(
            "url: there is one @ too many: in a user, password, name or parameter write"
            " it as %40 (and / as %2F, ? as %3F)"
        )
    addresses = read_addresses(parts.hosts, parts.query)
    read = _read_parameters(parts)
    url = sa.URL.create(
        DRIVER,
        username=_only_one("user", parts.user, read),
        password=_only_one("password", parts.password, read),
        database=_only_one("database", parts.database, read),
    )
    arguments = {name: read[name] for name in _ARGUMENTS if name in read}
    if "connect_timeout" in read:
        # libpq's is for each host, asyncpg's for all of them.
        seconds_for_each = read["connect_timeout"]
        arguments["timeout"] = seconds_for_each and seconds_for_each * len(addresses)
    arguments |= _tls(read) | _settings(read) | _pooler(read)
    return _at(url, addresses), arguments


def _read_parameters(parts: URLParts) -> dict[str, Any]:
    """
    Read all but hosts and ports, and refuse what is unknown or said twice.
    """
    read: dict[str, Any] = {}
    meant: dict[str, str] = {}
    for name, value in parts.parameters(besides=("host", "port")).items():
        if advice := _ADVICE.get(name):
            raise ValidationError(f"url: {name} is not supported: {advice}")
        if name not in _KNOWN:
            raise unknown_parameter(name, sorted({*_KNOWN, "host", "port"}))
        other = meant.setdefault(_SYNONYMS.get(name, name), name)
        if other != name:
            raise ValidationError(
                f"url: {name}: {other} means the same: give one of them"
            )
        read[name] = _KNOWN[name](value, f"url: {name}")
    return read


def _only_one(name: str, part: str | None, read: Mapping[str, Any]) -> str | None:
    value: str | None = read.get(name)
    if name == "database":
        value = read.get("dbname", value)
    if part and value:
        raise ValidationError(
            f"url: {name}: it is given before the parameters too: give it once"
        )
    return part or value


def _tls(read: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the driver's arguments about TLS.
    """
    files = {key: read[key] for key in _CERTIFICATES if key in read}
    by_system = files.get("sslrootcert") == SYSTEM
    # As libpq has it: who names the system's authorities wants the server verified.
    by_default = "verify-full" if by_system else None
    mode = read.get("sslmode", read.get("ssl", by_default))
    is_direct = read.get("sslnegotiation") == "direct"
    for needed_by in (*files, *(["sslnegotiation"] if is_direct else ())):
        if mode not in _STRONG:
            raise ValidationError(
                f"url: {needed_by} needs sslmode=require, verify-ca or verify-full, and"
                " is ignored without"
            )
    if by_system and mode != "verify-full":
        raise ValidationError("url: sslrootcert=system needs sslmode=verify-full")
    for name in ("sslkey", "sslpassword"):
        if name in files and "sslcert" not in files:
            raise ValidationError(f"url: {name} needs the key's certificate: sslcert")
    arguments: dict[str, Any] = {"direct_tls": True} if is_direct else {}
    if mode is None:
        return arguments
    is_checked = files or mode in {"verify-ca", "verify-full"}
    return arguments | {"ssl": TLS(sslmode=mode, **files) if is_checked else mode}


def _settings(read: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what the server is told at the beginning of each connection.
    """
    settings = {name: read[name] for name in _SETTINGS if name in read}
    if fallback := read.get("fallback_application_name"):
        settings.setdefault("application_name", fallback)
    return {"server_settings": settings} if settings else {}


def _pooler(read: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what PgBouncer in transaction mode needs, if the URL names it.
    """
    if read.get("pgbouncer") != "true":
        return {}
    if read.get("statement_cache_size", 0):
        raise ValidationError("url: pgbouncer=true needs statement_cache_size=0")
    return {"statement_cache_size": 0}


def _at(url: sa.URL, addresses: Sequence[Address]) -> sa.URL:
    """
    Put hosts and ports where SQLAlchemy looks for them.
    """
    hosts, ports = zip(*addresses, strict=True)
    if len(addresses) > 1:
        query = {"host": ",".join(hosts), "port": ",".join(map(str, ports))}
        return url.set(query=query)
    (host,), (port,) = hosts, ports
    # A directory of sockets is no host of a URL's.
    if host.startswith("/"):
        return url.set(port=port, query={"host": host})
    return url.set(host=host or None, port=port)
