from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

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
