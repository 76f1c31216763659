from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parents[2]


def test_the_floors_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Each module imports only from floors below its own, and only sql knows SQLAlchemy.
    """
    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)

    assert status == EXIT_STATUS_SUCCESS
