"""
URLs of SQLite files.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from asm_async.errors import ValidationError
from asm_async.sql.dialects.urls import (
    Reader,
    URLParts,
    seconds,
    unknown_parameter,
    whole_number,
)
from asm_async.values import fields

DRIVER = "sqlite+aiosqlite"

_PARAMETERS: Mapping[str, Reader] = MappingProxyType(
    {
        "cached_statements": whole_number,
        "timeout": seconds,
        "uri": partial(fields.one_of, known=("true", "false")),
    }
)

# SQLite's own, of a file that is named by a URI (sqlite.org/uri.html).
_OF_FILES = ("cache", "immutable", "mode", "modeof", "nolock", "psow", "vfs")


def read_sqlite_url(parts: URLParts) -> tuple[sa.URL, dict[str, Any]]:
    """
    Read the URL of a file: SQLAlchemy's URL, and the driver's arguments.

    Raises:
        ValidationError: If SQLite would not understand it, or only a part of it.
    """
    if parts.hosts or parts.user is not None or parts.password is not None:
        raise ValidationError(
            "url: Invalid SQLite URL: write a path after three slashes, sqlite:///path,"
            " and an absolute one after four"
        )
    given = parts.parameters()
    is_uri = given.get("uri") == "true"
    known = {**_PARAMETERS, **dict.fromkeys(_OF_FILES if is_uri else ())}
    for name in given:
        if name not in known:
            raise unknown_parameter(name, known)
    if is_uri:
        _check_uri(parts.database or "")
    arguments = {
        name: read(given[name], f"url: {name}")
        for name, read in _PARAMETERS.items()
        if name in given
    }
    # The driver is told by way of the URL whether it names a file by a URI.
    arguments.pop("uri", None)
    query = {name: value for name, value in given.items() if name not in arguments}
    return sa.URL.create(DRIVER, database=parts.database, query=query), arguments


def _check_uri(database: str) -> None:
    if not database.startswith("file:"):
        raise ValidationError("url: uri=true needs a name that begins with file:")
    if "?" in database or "#" in database:
        # SQLite decodes once more, and would drop what stands behind it.
        raise ValidationError(
            "url: write a ? or # in the name of a file as %253F or %2523 here"
        )
