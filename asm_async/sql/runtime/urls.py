"""
Database URLs: what they may say, and what of it the driver is told as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import sqlalchemy as sa

from asm_async.errors import UnsupportedOperationError
from asm_async.sql.dialects.postgresql import urls as postgresql
from asm_async.sql.dialects.sqlite import urls as sqlite
from asm_async.sql.dialects.urls import URLParts, split_url

_ReadParts: TypeAlias = Callable[[URLParts], tuple[sa.URL, dict[str, Any]]]

_SQLITE, _POSTGRESQL = sqlite.read_sqlite_url, postgresql.read_postgresql_url

_BY_DRIVER: Mapping[str, _ReadParts] = MappingProxyType(
    {
        sqlite.DRIVER: _SQLITE,
        "sqlite": _SQLITE,
        postgresql.DRIVER: _POSTGRESQL,
        "postgres": _POSTGRESQL,
        "postgresql": _POSTGRESQL,
    }
)


def read_url(url: object) -> tuple[sa.URL, dict[str, Any]]:
    """
    Read a database URL.

    Returns:
        The URL with the driver's name in it, and the driver's arguments that it holds.

    Raises:
        ValidationError: If it is none, or says what the driver could not make sense of.

        UnsupportedOperationError: If it names another database or driver.
    """
    parts = split_url(url)
    read = _BY_DRIVER.get(parts.driver)
    if read is None:
        raise UnsupportedOperationError(
            f"{parts.driver} is not supported: use {sqlite.DRIVER} or"
            f" {postgresql.DRIVER}"
        )
    return read(parts)
