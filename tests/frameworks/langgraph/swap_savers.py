"""
A plugin for LangGraph's own tests: its SQLite savers are ours.

Each that is opened has an empty database: a copy of the file that ``ASM_SUITE_URL``
names, or that database of PostgreSQL after all rows are removed. ``ASM_SUITE_ON_FORK``
is the saver's option of that name.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import langgraph.checkpoint.sqlite as sync_module
import langgraph.checkpoint.sqlite.aio as async_module

from asm_async.integrations.langgraph import AsmCheckpointSaver
from asm_async.portal import open_portal

URL = os.environ["ASM_SUITE_URL"]
ON_FORK: Any = os.environ["ASM_SUITE_ON_FORK"]
IS_POSTGRES = URL.startswith("postgresql")


async def _remove_all_rows() -> None:
    connection = await asyncpg.connect(URL.replace("+asyncpg", ""))
    try:
        rows = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            " AND tablename LIKE 'asm\\_%' AND tablename NOT LIKE '%version%'"
        )
        for row in rows:
            await connection.execute(f"DELETE FROM {row['tablename']}")  # noqa: S608 - our own tables
    finally:
        await connection.close()


@contextmanager
def _empty_database() -> Generator[str]:
    if IS_POSTGRES:
        asyncio.run(_remove_all_rows())
        yield URL
        return
    template = URL.removeprefix("sqlite+aiosqlite:///")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "suite.db")
        shutil.copy(template, path)
        yield f"sqlite+aiosqlite:///{path}"


@contextmanager
def _open_saver() -> Generator[AsmCheckpointSaver]:
    with _empty_database() as url, open_portal(url) as portal:
        yield AsmCheckpointSaver(portal.ports, on_fork=ON_FORK)


class _SyncSaver:
    @staticmethod
    @contextmanager
    def from_conn_string(_: str) -> Generator[AsmCheckpointSaver]:
        with _open_saver() as saver:
            yield saver


class _AsyncSaver:
    @staticmethod
    @asynccontextmanager
    async def from_conn_string(_: str) -> AsyncGenerator[AsmCheckpointSaver]:
        opened: Any = _open_saver()
        saver = await asyncio.to_thread(opened.__enter__)
        try:
            yield saver
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)


vars(sync_module)["SqliteSaver"] = _SyncSaver
vars(async_module)["AsyncSqliteSaver"] = _AsyncSaver
