"""
The disk of an SQLite file is full, or a quota used up, while a store writes.

The writers are in a process of their own, ``python -m tests.torture.full_disks``, since
a bound on the size of files holds for a whole process.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import select
import sqlite3
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from random import Random

import attrs

import asm_async
from asm_async import open_store
from asm_async.errors import StorageError
from asm_async.testing.factories import make_events, make_session
from tests.fault.troubled_writing import troubled_writing
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.sqlite_ends import judged, new_database

__all__ = ["CAMPAIGN", "run_on_disk", "run_within_quota"]

_DISK_BYTES = 64 * 2**20

# A history must not become larger than the log, which begins with 8 MB.
_FAULTS_PER_HISTORY = 10


async def run(setting: Setting) -> Tally:
    """
    Use up a quota again and again; as root, fill a small disk every other time.
    """
    if os.geteuid() != 0 or setting.faults < 2:
        return await run_within_quota(setting)
    half = attrs.evolve(setting, faults=setting.faults // 2)
    other = attrs.evolve(setting, faults=setting.faults - half.faults)
    tallies = await run_on_disk(half), await run_within_quota(other)
    return Tally(
        **{
            field.name: sum(getattr(tally, field.name) for tally in tallies)
            for field in attrs.fields(Tally)
        }
    )


async def run_within_quota(setting: Setting) -> Tally:
    """
    Bound the size of files, which everybody may.
    """
    place = setting.directory / "place"
    place.mkdir()
    return await _run(setting, "quota", place)


async def run_on_disk(setting: Setting) -> Tally:
    """
    Fill a file system of 64 MiB, which only root can mount.
    """
    disk = setting.directory / "disk"
    disk.mkdir()
    size = f"size={_DISK_BYTES}"
    mount = ["mount", "-t", "tmpfs", "-o", size, "asm_async", str(disk)]
    subprocess.run(mount, check=True)  # noqa: ASYNC221, S603 - it takes no time
    try:
        return await _run(setting, "disk", disk)
    finally:
        subprocess.run(["umount", str(disk)], check=True)  # noqa: ASYNC221, S603, S607 - the same


async def _run(setting: Setting, kind: str, place: Path) -> Tally:
    root = Path(asm_async.__file__).parents[1]
    seed = setting.random.getrandbits(32)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.torture.full_disks"),
        *(kind, place, setting.directory, str(setting.faults), str(seed)),
        cwd=root,
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stopping = asyncio.create_task(_close_in_time(process.stdin, setting))
    try:
        told = await process.stdout.read()
        assert await process.wait() == 0
    finally:
        stopping.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Tally(**json.loads(told))


async def _close_in_time(orders: asyncio.StreamWriter, setting: Setting) -> None:
    """
    Tell the process that the time is up, by the end of what it could read.
    """
    while not setting.is_over():  # noqa: ASYNC110 - clocks set no event
        await asyncio.sleep(1)
    orders.close()


async def _write(kind: str, place: Path, setting: Setting) -> Tally:
    """
    Write to a file in *place*, and let there be room again after each fault.
    """
    path = place / "files" / "asm.sqlite3"
    url = await new_database(path)
    histories: list[Path] = []
    faults = setting.each_fault()
    count = 0
    while block := list(islice(faults, _FAULTS_PER_HISTORY)):
        history = setting.directory / f"{kind}-{len(histories)}.jsonl"
        histories.append(history)
        # Refused at once: a short timeout would only show how busy the machine is.
        writers = troubled_writing(url, history, setting.random, timeout=30.0)
        with _held_open(path, for_reading=kind == "quota"):
            if kind == "quota":
                await _grow(url, len(histories))
            async with writers as writing:
                for _ in block:
                    await writing.succeed()
                    with _full_disk(place) if kind == "disk" else _used_up_quota(path):
                        errors = await writing.fail()
                    assert {type(error) for error in errors} == {StorageError}, errors
                    await writing.succeed()
                    count += 1
    return await judged(url, histories, faults=count)


@contextmanager
def _held_open(path: Path, *, for_reading: bool) -> Generator[None]:
    """
    Keep the log from being removed, even if no writer has it open.

    As long as this reads in a transaction, the log cannot be written from its start
    again either: whatever is written makes it larger.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if for_reading:
            connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM asm_sessions").fetchall()
        yield


async def _grow(url: str, number: int) -> None:
    """
    Make the log larger than any other file that is written; it stays while it is open.
    """
    content = {"content": "x" * 100_000}
    events = make_events(80, first=80 * number, session_id="ses_large", data=content)
    async with open_store(url) as store:
        await store.save_session(make_session(id="ses_large"))
        await store.append_events(events)


@contextmanager
def _used_up_quota(path: Path) -> Generator[None]:
    """
    Let no file become larger than the log is now.
    """
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def _full_disk(disk: Path) -> Generator[None]:
    """
    Take all the room there is.
    """
    filler = disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (2**16, 2**12, 1):
                _fill(file.write, b"x" * size)
            yield
    finally:
        filler.unlink(missing_ok=True)


def _fill(write: Callable[[bytes], int | None], block: bytes) -> None:
    try:
        while write(block):
            pass
    except OSError:
        return


def main(kind: str, place: str, directory: str, faults: str, seed: str) -> None:
    """
    Write as one of the two kinds, and tell the tally.
    """
    setting = Setting(
        database="sqlite",
        faults=int(faults),
        random=Random(int(seed)),
        directory=Path(directory),
        tell=lambda _: None,
        is_over=lambda: bool(select.select([sys.stdin], [], [], 0)[0]),
    )
    tally = asyncio.run(_write(kind, Path(place), setting))
    sys.stdout.write(json.dumps(attrs.asdict(tally)))


CAMPAIGN = Campaign(
    name="full_disks",
    title="Disk full, or quota used up",
    run=run,
    databases=("sqlite",),
    faults=200,
)


if __name__ == "__main__":
    main(*sys.argv[1:])
