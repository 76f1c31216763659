from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
DRAWING = ROOT / "docs" / "images" / "layers.svg"

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def test_the_floors_hold() -> None:
    """
    Each module imports only from floors below its own, and only sql knows SQLAlchemy.
    """
    # It configures logging, which would disable the loggers of other tests.
    done = subprocess.run(  # noqa: S603 - of our own environment
        [LINT_IMPORTS, "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_drawing_shows_the_floors() -> None:
    """
    The layers in the drawing are those that are held, in their order.
    """
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = settings["tool"]["importlinter"]["contracts"][0]
    floors = [re.findall(r"\w+", layer) for layer in contract["layers"]]
    boxes = re.findall(r'y="(\d+)".*monospace">(\w+)<', DRAWING.read_text("utf-8"))
    drawn = {y: [name for at, name in boxes if at == y] for y, _ in boxes}

    assert list(drawn.values()) == [floor for floor in floors if floor != ["__main__"]]
