from __future__ import annotations

import ast
import pickle
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

IN_MEMORY = """
import asyncio
from asm_async import InMemoryPorts, Session

async def main():
    async with InMemoryPorts() as ports:
        await ports.store.save_session(Session.new(agent_id="a"))

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


def test_the_package_alone_imports_nothing_of_its_own() -> None:
    """
    Each name is imported when it is first asked for.
    """
    found = imported("import asm_async")

    assert {name for name in found if name.startswith("asm_async.")} == set()
    assert "attrs" not in found


def test_ports_in_memory_need_no_database() -> None:
    """
    Neither to be imported nor to be used.
    """
    unwanted = {"sqlalchemy", "alembic", "aiosqlite", "asyncpg", "sqlite3"}

    assert not imported(IN_MEMORY) & unwanted


def test_a_star_imports_every_public_name() -> None:
    """
    And the package keeps each name that was asked for once.
    """
    script = (
        "from asm_async import *; import asm_async;"
        " assert Event is asm_async.__dict__['Event'];"
        " assert set(asm_async.__all__) <= {*globals()}"
    )

    assert "asm_async.sql.open" in imported(script)


def test_each_name_comes_from_where_checkers_see_it() -> None:
    """
    The table of modules says the same as the imports for type checkers.
    """
    tree = ast.parse(Path(asm_async.__file__).read_bytes())
    seen = {
        alias.name: (node.module or "").removeprefix("asm_async.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if (node.module or "").startswith("asm_async.")
    }

    assert seen == dict(asm_async._MODULES)
    assert {*seen, "errors", "__version__"} == set(asm_async.__all__)


def test_values_and_classes_survive_pickle_in_another_process() -> None:
    """
    Which has imported nothing of the package yet.
    """
    pickled = pickle.dumps([asm_async.Event, asm_async.Session.new(agent_id="a")])
    script = f"import pickle; kind, session = pickle.loads({pickled!r});"
    script += " assert kind.__name__ == 'Event'; assert session.agent_id == 'a'"

    assert "asm_async.values.session" in imported(script)


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
