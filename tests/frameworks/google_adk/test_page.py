"""
The page about ADK runs as a reader would run it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page

PAGE = ROOT / "docs" / "howto" / "use-with-google-adk.md"


# ADK announces what is experimental in it.
@pytest.mark.filterwarnings("default")
def test_every_code_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The blocks run from top to bottom without an error, and say what is stale.
    """
    monkeypatch.chdir(tmp_path)
    run_page(PAGE)
