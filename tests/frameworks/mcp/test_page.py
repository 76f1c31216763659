from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The blocks of the framework's page run from top to bottom without an error.
    """
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / "docs" / "howto" / "use-with-mcp.md")
