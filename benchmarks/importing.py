"""
How much time and memory importers take: ``python -m benchmarks.importing``.

Session files of Claude Code are made, imported, and imported again, each time in a
process of its own:

    python -m benchmarks.importing --megabytes 1000 --files 1

With ``--export`` it is one data export of ChatGPT instead, an array in one line.

With ``--from KIND FOLDER`` it imports what is there twice into memory instead, and
prints what came of it. So it is tried with the fixtures of public projects:

    python -m benchmarks.importing --from claude-code CHECKOUT CHECKOUT
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from asm_async import InMemoryPorts, open_ports
from asm_async.importers import import_from
from benchmarks.chat_exports import make_export
from benchmarks.databases import add_directory_option
from benchmarks.resident_memory import mebibytes

__all__ = ["main"]

_KIND = "claude-code"
_MODEL = "claude-sonnet-4-5-20250929"
_WORK = "--work"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.importing")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--export", action="store_true", help="import an export")
    parser.add_argument("--from", dest="kind", help="import FOLDERs of this kind")
    parser.add_argument("folders", nargs="*", metavar="FOLDER")
    parser.add_argument(_WORK, nargs=3, help=argparse.SUPPRESS)
    add_directory_option(parser)
    return parser.parse_args()


def main() -> None:
    """
    Measure made files, or try those that are there.
    """
    options = _options()
    if options.work is not None:
        print(json.dumps(asyncio.run(_imported(*options.work))))  # noqa: T201 - what was asked for
    elif options.kind is not None:
        asyncio.run(_try(options.kind, options.folders))
    else:
        with tempfile.TemporaryDirectory(dir=options.directory) as directory:
            source = Path(directory) / "files"
            if options.export:
                make_export(source / "conversations.json", options.megabytes)
            for number in range(0 if options.export else options.files):
                size = options.megabytes * 1_000_000 // options.files
                _make(source / f"{number}.jsonl", number, size)
            kind = "chatgpt" if options.export else _KIND
            _measure(kind, source, Path(directory))


def _measure(kind: str, source: Path, directory: Path) -> None:
    url = f"sqlite:///{directory / 'imported.sqlite3'}"
    print("| work | seconds | MB a second | events a second | MiB at the peak |")  # noqa: T201 - what was asked for
    print("| --- | --- | --- | --- | --- |")  # noqa: T201 - the same
    for work in ("import", "import again"):
        done = subprocess.run(  # noqa: S603 - this program
            [sys.executable, "-m", __spec__.name, _WORK, kind, str(source), url],
            capture_output=True,
            check=True,
        )
        found = json.loads(done.stdout)
        seconds = found["seconds"]
        print(  # noqa: T201 - what was asked for
            f"| {work} | {seconds:.1f} | {found['bytes'] / seconds / 1e6:.1f}"
            f" | {found['events'] / seconds:,.0f} | {found['mebibytes']:.0f} |"
        )


async def _imported(kind: str, source: str, url: str) -> dict[str, float]:
    async with open_ports(url, migrate=True) as ports:
        began = time.perf_counter()
        done = await import_from(ports, kind, source)
        seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "bytes": done.byte_count,
        "events": done.events_imported + done.events_known,
        "mebibytes": mebibytes("VmHWM"),
    }


async def _try(kind: str, folders: Sequence[str]) -> None:
    for folder in folders:
        async with InMemoryPorts() as ports:
            first = await import_from(ports, kind, folder)
            second = await import_from(ports, kind, folder)
        reasons = Counter(str(problem.code) for problem in first.problems)
        print(  # noqa: T201 - what was asked for
            f"{folder}: {first.source_count} files, {first.record_count} records,"
            f" {first.sessions_imported} sessions, {first.events_imported} events,"
            f" {first.runs_imported} runs; {first.problem_count} problems"
            f" {dict(reasons)}; again {second.events_imported} events,"
            f" {second.runs_imported + second.runs_changed} runs"
        )


def _make(path: Path, number: int, size: int) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for line in _lines(random.Random(number), number):  # noqa: S311 - no secret
            file.write(json.dumps(line).encode() + b"\n")
            if file.tell() >= size:
                return


def _lines(chance: random.Random, number: int) -> Iterator[dict[str, Any]]:
    """
    Yield a session without end: prompts, calls, and results of some 1,500 characters.
    """
    words = ["".join(chance.choices("etaoinshrdlu", k=6)) for _ in range(1_000)]

    def text(length: float) -> str:
        return " ".join(chance.choices(words, k=1 + int(length) // 7))

    parent, second = None, 0
    while True:
        second += 7
        answer, call = f"msg_{chance.getrandbits(90):x}", f"toolu_{second}"
        output = text(chance.lognormvariate(7, 1))
        usage = {"input_tokens": 9, "output_tokens": chance.randint(1, 900)}
        said = {"id": answer, "role": "assistant", "model": _MODEL, "usage": usage}
        tool = {"type": "tool_use", "id": call, "name": "Read", "input": {"x": 1}}
        result = {"type": "tool_result", "tool_use_id": call, "content": output}
        messages: list[tuple[str, dict[str, Any]]] = [
            ("assistant", said | {"content": [{"type": "text", "text": text(300)}]}),
            ("assistant", said | {"content": [tool]}),
            ("user", {"role": "user", "content": [result]}),
        ]
        if chance.random() < 0.1:  # noqa: PLR2004 - one in ten
            messages.insert(0, ("user", {"role": "user", "content": text(200)}))
        for kind, message in messages:
            name = str(UUID(int=chance.getrandbits(128)))
            yield {
                "parentUuid": parent,
                "isSidechain": False,
                "cwd": "/home/ada/engine",
                "sessionId": f"session-{number}",
                "version": "2.0.49",
                "type": kind,
                "uuid": name,
                "timestamp": f"2025-11-{1 + second // 86_400 % 28:02}T"
                f"{second // 3_600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}Z",
                "message": message,
            }
            parent = name


if __name__ == "__main__":
    main()
