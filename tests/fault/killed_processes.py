"""
Processes that are killed again and again, as seen by the test that starts them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asm_async

__all__ = ["kill_until_done"]

_PROGRAM = Path(__file__).with_name("killed_process.py")


async def kill_until_done(act: str, url: str, directory: Path) -> int:
    """
    Have something done by one process after the other, each of which is killed later.

    Args:
        act: What; ``killed_process.py`` has the names.

        url: The database.

        directory: Where contents lie.

    Returns:
        How many were killed; another one has done what was left.
    """
    root = Path(asm_async.__file__).parents[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, _PROGRAM, act, url, str(directory)),
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return int(output)
