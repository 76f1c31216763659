"""
What an import takes of the processor, in a new process each time.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE

from benchmarks.elsewhere import environment
from benchmarks.measure import Sample

__all__ = ["IMPORTS", "import_in_new_process"]

IMPORTS = {
    "values alone": "from asm_async import Event, Run, Session",
    "with SQLite": "from asm_async.sql import create_engine;"
    "create_engine('sqlite+aiosqlite://')",
}
"""
What is imported, by how the tables name it.
"""

_PROGRAM = "from time import process_time as t; b = t(); {}; print(t() - b)"


async def import_in_new_process(path: str, what: str) -> Sample:
    """
    Import something where *path* comes first.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _PROGRAM.format(IMPORTS[what])),
        stdout=PIPE,
        env=environment(path),
    )
    output, _ = await process.communicate()
    return Sample(count=1, seconds=float(output))
