from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page


def test_the_page_of_the_store_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Every block of the guide runs.
    """
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / "docs" / "howto" / "use-with-langgraph-store.md")
