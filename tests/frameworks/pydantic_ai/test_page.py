"""
The page of the framework runs as a reader would run it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page


def test_every_code_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The blocks of the page run from top to bottom without an error.
    """
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / "docs" / "howto" / "use-with-pydantic-ai.md")
