from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import asm_async
from asm_async.sql.open import open_ports, open_store

VALUES = "import asm_async; asm_async.Event, asm_async.Run, asm_async.errors"
OPENED = """
import asyncio, sys
from asm_async import open_store

async def main():
    async with open_store(sys.argv[1], migrate="migrate" in sys.argv) as store:
        await store.list_sessions()

asyncio.run(main())
"""


def imported(script: str, *arguments: str) -> set[str]:
    """
    Run *script* in a Python of its own, and return the names of what it has imported.
    """
    names = "import sys; print(*sys.modules)"
    call = [sys.executable, "-c", f"{script}\n{names}", *arguments]
    ran = subprocess.run(call, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    return set(ran.stdout.split())


def test_values_need_no_database() -> None:
    """
    Who only makes values waits neither for SQLAlchemy nor for a driver.
    """
    unwanted = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "sqlite3", "asyncio"}

    assert not imported(VALUES) & unwanted


def test_sqlite_needs_nothing_of_postgresql(tmp_path: Path) -> None:
    """
    Nor does it need the migrations, where there is nothing to migrate.
    """
    url = f"sqlite+aiosqlite:///{tmp_path / 'store.sqlite3'}"
    imported(OPENED, url, "migrate")
    unwanted = {"sqlalchemy.dialects.postgresql", "asyncpg", "alembic"}

    assert not imported(OPENED, url) & unwanted


def test_what_is_imported_late_has_its_name() -> None:
    """
    The package has all that it says it has, and nothing else.
    """
    assert asm_async.open_store is open_store
    assert asm_async.open_ports is open_ports
    assert asm_async.__version__ == version("asm_async")
    assert set(asm_async.__all__) <= set(dir(asm_async))
    assert all(hasattr(asm_async, name) for name in asm_async.__all__)
    with pytest.raises(AttributeError, match="'asm_async' has no attribute 'Events'"):
        asm_async.__getattr__("Events")
