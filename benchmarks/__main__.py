"""
Measure everything: ``python -m benchmarks``, in under five minutes.

The results come as tables in the terminal and, below ``benchmarks/results``, as JSON,
as the tables of the documentation and as two pictures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import warnings
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.databases import (
    DATABASES,
    Databases,
    add_directory_option,
    databases_on_disk,
)
from benchmarks.machine import machine
from benchmarks.markdown import markdown
from benchmarks.measure import Measured
from benchmarks.memory import can_be_measured, measure_memory
from benchmarks.peers import peers_on
from benchmarks.plots import draw
from benchmarks.report import print_results, results
from benchmarks.suites import SUITES, Plan

_RESULTS = Path(__file__).parent / "results"

# No narrower, also where there is no terminal: the tables are read side by side.
_WIDTH = 120


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--full",
        action="store_true",
        help="longer rounds and logs of up to 10,000,000 events: some 25 minutes",
    )
    parser.add_argument(
        "--database",
        action="append",
        choices=DATABASES,
        help="only this one (may be given twice)",
    )
    parser.add_argument(
        "--work",
        action="append",
        choices=[*(suite.__name__ for suite in SUITES), "memory"],
        help="only this one (may be given more than once)",
    )
    add_directory_option(parser)
    parser.add_argument(
        "--results",
        type=Path,
        default=_RESULTS,
        help="where results.json, results.md and the two pictures are written",
    )
    return parser.parse_args()


async def _measure(
    databases: Databases, options: argparse.Namespace, console: Console
) -> tuple[list[Measured], list[dict[str, Any]]]:
    plan = Plan(peers=peers_on)
    if options.full:
        plan = plan.full()
    works = options.work or [*(suite.__name__ for suite in SUITES), "memory"]
    measured: list[Measured] = []
    memory: list[dict[str, Any]] = []
    for database in options.database or DATABASES:
        for suite in SUITES:
            if suite.__name__ in works:
                console.log(database, suite.__name__)
                async for found in suite(databases, database, plan):
                    measured += found
        if "memory" in works and can_be_measured():
            console.log(database, "memory")
            # A process for each peer takes a minute and a half.
            peers = peers_on(database) if options.full else []
            memory += await measure_memory(databases, database, peers)
    return measured, memory


def main() -> None:
    """
    Measure, keep and show.
    """
    # A peer under load warns and logs at length.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    # All those libraries are no part of anybody's work, so that nobody's garbage
    # collections shall walk over them.
    gc.collect()
    gc.freeze()
    options, console = _options(), Console(stderr=True)
    with databases_on_disk(options.directory) as databases:
        measured, memory = asyncio.run(_measure(databases, options, console))
        found = results(machine(options.directory), measured, memory)
    options.results.mkdir(parents=True, exist_ok=True)
    texts = {"results.json": json.dumps(found, indent=1), "results.md": markdown(found)}
    for name, text in texts.items():
        (options.results / name).write_text(text, encoding="utf-8")
    draw(found, options.results)
    print_results(found, Console(width=_WIDTH))


if __name__ == "__main__":
    main()
