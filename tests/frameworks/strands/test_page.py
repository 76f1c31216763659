from __future__ import annotations

from pathlib import Path

import pytest

from tests.page_blocks import ROOT, run_page

MODEL = """
from tests.frameworks.strands.agents import ToldModel

model = ToldModel("Begin at the opera.")
"""


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Every block of the guide runs, with a model that needs no network.
    """
    (tmp_path / "my_app.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    run_page(ROOT / "docs" / "howto" / "use-with-strands.md")
