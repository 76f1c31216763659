"""
What a release consists of, built by ``nox -s build``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VARIABLE = "ASM_DISTRIBUTIONS"


def build(directory: Path, *options: str, source: Path = ROOT, **more: str) -> Path:
    """
    Build the source distribution, and of it the wheel, into a directory.
    """
    command = [sys.executable, "-m", "build", "--installer=uv", *options, str(source)]
    command.append(f"--outdir={directory}")
    subprocess.run(command, env={**os.environ, **more}, check=True)  # noqa: S603 - our own source
    return directory


@pytest.fixture(scope="session")
def built() -> Path:
    """
    Return the directory with what is to be released.
    """
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    """
    Return the wheel.
    """
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def source_distribution(built: Path) -> Path:
    """
    Return the source distribution.
    """
    (path,) = built.glob("*.tar.gz")
    return path
