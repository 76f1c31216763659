from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import asm_async
from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.sql import create_engine


@pytest.mark.parametrize(
    "url", ["mysql://localhost/app", "postgresql+psycopg://localhost/app", "oracle://x"]
)
def test_a_url_of_another_database_or_driver_is_refused(url: str) -> None:
    """
    The refusal says which ones there are.
    """
    with pytest.raises(UnsupportedOperationError, match=r"sqlite\+aiosqlite"):
        create_engine(url)


@pytest.mark.parametrize("url", ["", "asm.sqlite3", "sqlite", "postgresql//a:hush@b/c"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """
    The refusal repeats nothing, since it may be a password.
    """
    with pytest.raises(ValidationError) as caught:
        create_engine(url)

    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


FILE_URL = "sqlite+aiosqlite:///asm.sqlite3"


def test_misspelt_options_are_refused() -> None:
    """
    An unknown durability is a wrong value, an unknown option a wrong call.
    """
    misspelt: Any = "fast"
    with pytest.raises(ValidationError, match="durability"):
        create_engine(FILE_URL, durability=misspelt)
    with pytest.raises(TypeError, match="pool_sise"):
        create_engine(FILE_URL, pool_sise=5)


def test_a_missing_driver_is_named_with_its_extra() -> None:
    """
    Without asyncpg SQLite works, and PostgreSQL says what to install.
    """
    program = """
import sys
sys.modules["asyncpg"] = None
from asm_async.errors import MissingDependencyError
from asm_async.sql import create_engine
create_engine("sqlite://")
try:
    create_engine("postgresql://localhost/app")
except MissingDependencyError as error:
    print(error)
"""
    result = subprocess.run(  # noqa: S603 - this Python, on a program of ours
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        cwd=Path(asm_async.__file__).parents[1],
        text=True,
    )

    assert result.stdout == (
        "asyncpg is not installed: pip install '.[postgres]' in a clone of asm_async\n"
    )
