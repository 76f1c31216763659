"""
The databases of campaigns, which belong to one run and end with it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import sqlalchemy as sa

from asm_async.errors import ASMError
from asm_async.sql import SQLQueryAPI, create_engine
from tests.backends import migrate
from tests.postgres_server import PostgresServer
from tests.torture.campaign import Setting

__all__ = ["exported_if_wrong", "migrated_database", "postgres_server"]


@asynccontextmanager
async def migrated_database(setting: Setting) -> AsyncGenerator[str]:
    """
    Yield the URL of a database that has our tables and nothing in them.

    On PostgreSQL it is one on the server of ASM_TEST_POSTGRES_URL, or on one of its own
    that is not made to survive a crash.
    """
    if setting.database == "sqlite":
        url = f"sqlite+aiosqlite:///{setting.directory / 'asm.sqlite3'}"
        await migrate(create_engine(url))
        yield url
    elif server_url := os.environ.get("ASM_TEST_POSTGRES_URL"):
        async with (
            _database_on(server_url) as url,
            exported_if_wrong(url, setting),
        ):
            yield url
    else:
        async with (
            postgres_server() as server,
            _database_on(server.url) as url,
            exported_if_wrong(url, setting),
        ):
            yield url


@asynccontextmanager
async def exported_if_wrong(url: str, setting: Setting) -> AsyncGenerator[None]:
    """
    Leave the contents of a database in the directory if something goes wrong.
    """
    try:
        yield
    except Exception:
        engine = create_engine(url)
        with suppress(ASMError), (setting.directory / "export.jsonl").open("wb") as out:

            async def write(data: bytes) -> None:
                out.write(data)

            await SQLQueryAPI(engine).export_sessions(write)
        await engine.dispose()
        raise


@asynccontextmanager
async def postgres_server(
    *, is_durable: bool = False
) -> AsyncGenerator[PostgresServer]:
    """
    Yield a PostgreSQL server that nobody else knows.
    """
    server = PostgresServer(is_durable=is_durable)
    try:
        await asyncio.to_thread(server.start)
        yield server
    finally:
        server.close()


@asynccontextmanager
async def _database_on(server_url: str) -> AsyncGenerator[str]:
    name = f"asm_torture_{secrets.token_hex(8)}"
    admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
    try:
        async with admin.connect() as conn:
            await conn.execute(sa.text(f"CREATE DATABASE {name}"))
        try:
            url = admin.url.set(database=name)
            await migrate(create_engine(url))
            yield url.render_as_string(hide_password=False)
        finally:
            async with admin.connect() as conn:
                await conn.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await admin.dispose()
