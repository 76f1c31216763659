"""
What an engine needs for its database, beside what every engine needs.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sql.dialects.sqlite import engine as sqlite


def engine_defaults(url: sa.URL, connect_args: dict[str, Any]) -> dict[str, Any]:
    """
    Return options of SQLAlchemy's for an engine on *url*.

    Args:
        url: Of a database that is supported.

        connect_args: What the caller gives the driver; it stands above the defaults.
    """
    if url.get_backend_name() == "sqlite":
        args = sqlite.connect_args() | connect_args
        return {**sqlite.engine_options(url), "connect_args": args}
    return {"connect_args": connect_args}


def set_up_engine(engine: AsyncEngine, *, is_durable: bool) -> None:
    """
    Have each connection of a new engine opened as the stores need it.
    """
    if engine.dialect.name == "sqlite":
        sqlite.set_up_engine(engine, is_durable=is_durable)
