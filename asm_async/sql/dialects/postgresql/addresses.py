"""
Hosts and ports of a URL: one, several, a directory of sockets, or none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import unquote

from asm_async.errors import ValidationError

Address: TypeAlias = tuple[str, int | None]
"""
A host, which may be empty, and a port; without one the driver knows what to do.
"""

_HOST = re.compile(
    r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?P<colon>:(?P<port>[^:]*))?"
)

_DEFAULT_PORT = 5432
_MAX_PORT = 65_535


def read_addresses(hosts: str, query: Sequence[tuple[str, str]]) -> Sequence[Address]:
    """
    Read what stands before the path, as libpq has it, or in ``host=`` and ``port=``.

    Returns:
        One address, or several, each with its port.

    Raises:
        ValidationError: If there is no sense in it. Nothing is repeated: what is taken
            for a port may be the end of a password.
    """
    named = [host for key, value in query if key == "host" for host in value.split(",")]
    ports = [port for key, value in query if key == "port" for port in value.split(",")]
    found = [_address(host) for host in hosts.split(",")]
    if named:
        if found[0][0] or len(found) > 1:
            raise ValidationError(
                "url: host: the URL names a host before its path too: give one of them"
            )
        port = found[0][1]
        found = [_parameter(host) for host in named]
        ports += [] if port is None else [str(port)]
    found = _with_ports(found, ports)
    if len(found) == 1:
        return found
    usual = os.environ.get("PGPORT", "")
    default = int(usual) if usual.isdecimal() else _DEFAULT_PORT
    if not all(host for host, _ in found):
        raise ValidationError("url: one of several hosts is empty")
    return [(host, port or default) for host, port in found]


def _address(text: str) -> Address:
    found = _HOST.fullmatch(text)
    if found is None:
        raise ValidationError("url: write an IPv6 address in brackets: [::1]:5432")
    try:
        host = found["ipv6"] or unquote(found["name"] or "", errors="strict")
    except UnicodeDecodeError:
        raise ValidationError("url: the %-codes of the host are not UTF-8") from None
    port = None if found["colon"] is None else _port(found["port"])
    return _checked(host), port


def _parameter(text: str) -> Address:
    """
    Read a host that a parameter names, which may be a directory or a bare IPv6 address.
    """
    if text.startswith("/") or (text.count(":") > 1 and "[" not in text):
        return _checked(text), None
    if not text.strip():
        raise ValidationError("url: the parameter 'host' has no value: leave it out")
    return _address(text)


def _checked(host: str) -> str:
    try:
        # A directory of sockets is no name, and may be as long as it likes.
        host if host.startswith("/") else host.encode("idna")
    except UnicodeError:
        told = "" if "@" in host else f"{host!a} "
        raise ValidationError(f"url: {told}is not a host name") from None
    return host


def _port(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(_MAX_PORT))
    if not is_number or not 0 < int(text) <= _MAX_PORT:
        raise ValidationError(f"url: port: expected a number from 1 to {_MAX_PORT}")
    return int(text)


def _with_ports(found: list[Address], ports: list[str]) -> list[Address]:
    if not ports:
        return found
    if any(port is not None for _, port in found):
        raise ValidationError(
            "url: port: a host names its own port too: give one of them"
        )
    if len(ports) not in {1, len(found)}:
        raise ValidationError(
            f"url: port: {len(ports)} ports for {len(found)} hosts: give one for all,"
            " or one for each"
        )
    each = ports if len(ports) > 1 else ports * len(found)
    return [(host, _port(port)) for (host, _), port in zip(found, each, strict=True)]
