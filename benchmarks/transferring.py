"""
How much time and memory transfers take: ``python -m benchmarks.transferring``.

Each runs in a process of its own, whose memory at its peak the system (Linux) tells:

    python -m benchmarks.transferring WORK DATABASE LOCATION FILE

does one of them and prints as JSON what it took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import cast

from asm_async.sql import SQLQueryAPI, create_engine, migrations
from benchmarks.bulk_load import Log, load
from benchmarks.databases import (
    DATABASES,
    Database,
    Databases,
    Place,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.resident_memory import mebibytes

__all__ = ["main"]

_WORKS = ("export", "import", "import again")
_PIECE_BYTES = 1 << 16


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.transferring")
    parser.add_argument(
        "--events", type=int, default=1_000_000, help="by default %(default)d"
    )
    parser.add_argument(
        "--database", action="append", choices=DATABASES, help="by default each"
    )
    add_directory_option(parser)
    return parser.parse_args()


def main() -> None:
    """
    Measure each database and print a table.
    """
    options = _options()
    # Half of the events lie in one session, the others in sessions of 250.
    log = Log(size=options.events, long=options.events // 2)
    with (
        databases_on_disk(options.directory) as databases,
        tempfile.TemporaryDirectory(dir=options.directory) as directory,
    ):
        print("| database | work | seconds | events a second | MiB at the peak |")  # noqa: T201 - what was asked for
        print("| --- | --- | --- | --- | --- |")  # noqa: T201 - the same
        for database in options.database or DATABASES:
            asyncio.run(_measure(databases, database, log, Path(directory)))


async def _measure(
    databases: Databases, database: Database, log: Log, directory: Path
) -> None:
    file = directory / f"{database}.jsonl"
    full, empty = await databases.new(database), await databases.new(database)
    await load(full, log)
    for work, place in zip(_WORKS, (full, empty, empty), strict=True):
        found = await _in_a_process(work, place, file)
        seconds, peak = found["seconds"], found["mebibytes"]
        rate = log.size / seconds
        print(  # noqa: T201 - what was asked for
            f"| {database} | {work} | {seconds:.0f} | {rate:,.0f} | {peak:.0f} |",
            flush=True,
        )
    await databases.remove(full)
    await databases.remove(empty)


async def _in_a_process(work: str, place: Place, file: Path) -> dict[str, float]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __spec__.name,
        work,
        place.database,
        place.location,
        str(file),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return cast("dict[str, float]", json.loads(output))


async def _work(work: str, place: Place, file: Path) -> dict[str, float]:
    engine = create_engine(place.url)
    await migrations.upgrade(engine)
    query_api = SQLQueryAPI(engine)
    begin = time.perf_counter()
    if work == "export":
        await _export(query_api, file)
    else:
        await query_api.import_sessions(_pieces(file))
    seconds = time.perf_counter() - begin
    await engine.dispose()
    return {"seconds": seconds, "mebibytes": mebibytes("VmHWM")}


async def _export(query_api: SQLQueryAPI, file: Path) -> None:
    with file.open("wb") as output:

        async def write(data: bytes) -> None:
            output.write(data)

        await query_api.export_sessions(write)


async def _pieces(file: Path) -> AsyncGenerator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in _WORKS:
        _name, _database, _location, _file = sys.argv[1:]
        _place = Place(database=cast("Database", _database), location=_location)
        print(json.dumps(asyncio.run(_work(_name, _place, Path(_file)))))  # noqa: T201 - read by whoever started this
    else:
        main()
