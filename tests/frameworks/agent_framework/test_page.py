"""
The page about the framework runs as a reader would run it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page

PAGE = ROOT / "docs" / "howto" / "use-with-agent-framework.md"


# The framework warns of what is experimental in it.
@pytest.mark.filterwarnings("ignore:.*is experimental")
def test_every_code_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The blocks of the page run from top to bottom without an error.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "none is asked")
    run_page(PAGE)
