"""
Measure everything: ``python -m benchmarks``, some minutes; ``--work`` for less.

The results come as tables in the terminal and, below ``benchmarks/results``, as JSON,
as the tables of the documentation and as two pictures. Old and new code are measured in
turn by ``--against`` a checkout of the old one, such as ``git worktree add`` makes.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from benchmarks.plots import draw
from benchmarks.report import results
from benchmarks.suites import SUITES, Peers, Plan

_RESULTS = Path(__file__).parent / "results"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--full",
        action="store_true",
        help="longer rounds and logs of up to 10,000,000 events: some 25 minutes",
    )
    parser.add_argument(
        "--against",
        type=Path,
        help="another checkout, whose store is measured beside this one's",
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="leave out what people use today"
    )
    parser.add_argument(
        "--agents", type=int, nargs="+", help="how many agents append (1 8 32 256)"
    )
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--seconds", type=float, help="how long a round is")
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


def _plan(options: argparse.Namespace) -> Plan:
    plan = Plan(peers=_peers(options), against=options.against)
    if options.full:
        plan = plan.full()
    chosen = {
        name: value
        for name in ("rounds", "seconds", "agents")
        if (value := getattr(options, name)) is not None
    }
    return replace(plan, **chosen)


def _peers(options: argparse.Namespace) -> Peers:
    if options.no_peers:
        return lambda _: []
    # Their libraries take seconds to load.
    from benchmarks.peers import peers_on  # noqa: PLC0415

    return peers_on


async def _measure(
    databases: Databases, options: argparse.Namespace, plan: Plan
) -> tuple[list[Measured], list[dict[str, Any]]]:
    works = options.work or [*(suite.__name__ for suite in SUITES), "memory"]
    measured: list[Measured] = []
    memory: list[dict[str, Any]] = []
    for database in options.database or DATABASES:
        for suite in SUITES:
            if suite.__name__ in works:
                _say(f"{database}: {suite.__name__}")
                async for found in suite(databases, database, plan):
                    measured += found
        if "memory" in works and can_be_measured():
            _say(f"{database}: memory")
            # A process for each peer takes a minute and a half.
            peers = plan.peers(database) if options.full else []
            memory += await measure_memory(databases, database, peers)
    return measured, memory


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """
    Measure, keep and show.
    """
    # A peer under load warns and logs at length.
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    options = _options()
    plan = _plan(options)
    # All those libraries are no part of anybody's work, so that nobody's garbage
    # collections shall walk over them.
    gc.collect()
    gc.freeze()
    chosen = options.database or DATABASES
    with databases_on_disk(options.directory, chosen) as databases:
        measured, memory = asyncio.run(_measure(databases, options, plan))
        found = results(machine(options.directory), measured, memory)
    options.results.mkdir(parents=True, exist_ok=True)
    texts = {"results.json": json.dumps(found, indent=1), "results.md": markdown(found)}
    for name, text in texts.items():
        (options.results / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{texts['results.md']}\n{found['machine']}\n")
    draw(found, options.results)


if __name__ == "__main__":
    main()
