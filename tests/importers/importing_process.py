"""
Imports a source into a database in a process of its own, and says how far it is.

Called with a kind, a path and the URL of a database. Writes a line after each batch,
and in the end one with the greatest memory that it took, in mebibytes.
"""

from __future__ import annotations

import asyncio
import resource
import sys

from asm_async import open_ports
from asm_async.importers import import_from


def tell(text: object) -> None:
    """
    Write a line to whoever has started this.
    """
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def main(kind: str, path: str, url: str) -> None:
    """
    Import, and tell of each batch.
    """
    async with open_ports(url) as ports:
        await import_from(
            ports,
            kind,
            path,
            progress=lambda done: tell(done.events_imported),
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tell(f"peak {peak // 1024}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
