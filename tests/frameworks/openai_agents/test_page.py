"""
The page that shows how the SDK is used with our sessions.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page

PAGE = ROOT / "docs" / "howto" / "use-with-openai-agents.md"


def test_every_block_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The blocks of the page run from top to bottom, and what they assert holds.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")

    run_page(PAGE)
