"""
How much memory this process takes, as the system (Linux) tells it.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["mebibytes"]

_STATUS = Path("/proc/self/status")


def mebibytes(field: str) -> float:
    """
    Return what is resident now, ``VmRSS``, or was at its highest, ``VmHWM``.
    """
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)
