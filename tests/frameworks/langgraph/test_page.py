"""
The guide runs.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page


async def test_every_code_block_of_the_guide_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The blocks of the guide run from top to bottom without an error.
    """
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "howto" / "use-with-langgraph.md"
    await asyncio.to_thread(run_page, page)
