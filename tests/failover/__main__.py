"""
Fail over again and again, and see what was promised hold.

Three clusters of their own fail over at the same time, each in a process of its own:
two and three servers with a synchronous standby, and two with an asynchronous one.
``python -m tests.failover`` runs them all. Ctrl-C has each of them come to its end, and
judge what it has done.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from tests.failover.acts import ACTS
from tests.failover.losses import Losses
from tests.failover.report import Row, row_of, tables, write
from tests.failover.synchronous import Synchronous
from tests.torture.campaign import Campaign
from tests.torture.report import told
from tests.torture.runner import Interruption, Order, run_campaign

__all__ = ["main"]

_EXPLANATION = Path(__file__).parents[2] / "docs" / "explanation"
_PAGE = _EXPLANATION / "reliability.md"
_RESULTS = _EXPLANATION / "failover.json"
_SEEDS = 10**6

_TIMES = {"kills": 30, "switchovers": 10, "freezes": 5, "standbys": 4, "cuts": 10}
_TITLES = {
    "three": "three servers, synchronous",
    "two": "two servers, synchronous",
    "asynchronous": "two servers, asynchronous",
}

Series: TypeAlias = Synchronous | Losses


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.failover", description=__doc__)
    for name, times in _TIMES.items():
        text = (ACTS[name].__doc__ or "").strip().splitlines()[0]
        parser.add_argument(f"--{name}", type=int, default=times, help=text)
    parser.add_argument(
        "--losses",
        type=int,
        default=10,
        help="Failovers that lose acknowledged events.",
    )
    parser.add_argument("--only", choices=list(_TITLES), help="only this cluster")
    parser.add_argument(
        "--seed",
        type=int,
        default=time.time_ns() % _SEEDS,
        help="where all choices come from; taken from the clock if it is not given",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=3600.0,
        help="after how long no more failures are brought about (%(default).0f)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the results into docs/explanation/failover.json and reliability.md",
    )
    return parser.parse_args(arguments)


def _series(name: str, options: argparse.Namespace) -> tuple[Series, int]:
    """
    Return what one cluster goes through, and how many failures that is.
    """
    if name == "asynchronous":
        return Losses(), options.losses
    # Each act happens as often on either cluster, or once more on that of three.
    rest = 1 if name == "three" else 0
    acts = {act: (getattr(options, act) + rest) // 2 for act in _TIMES}
    return Synchronous(3 if name == "three" else 2, acts), sum(acts.values())


def _run(name: str, options: argparse.Namespace) -> Row:
    """
    Run one cluster's failures in this process.
    """
    series, faults = _series(name, options)

    def say(line: str) -> None:
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        sys.stderr.flush()

    campaign = Campaign(
        name=f"failover_{name}",
        title=_TITLES[name],
        run=series.run,
        databases=("postgresql",),
        faults=faults,
    )
    order = Order(
        campaign=campaign,
        database="postgresql",
        faults=faults,
        seed=options.seed,
        seconds=options.seconds,
    )
    outcome = run_campaign(order, Interruption(say), say)
    say(told(outcome))
    return row_of(outcome, series.figures)


def _run_at_once(arguments: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """
    Run each cluster's failures in a process of its own.
    """
    command = [sys.executable, "-m", "tests.failover", *arguments]
    command.append(f"--seed={options.seed}")
    running = [
        subprocess.Popen([*command, f"--only={name}"], stdout=subprocess.PIPE)  # noqa: S603 - this module
        for name in _TITLES
    ]
    # Ctrl-C reaches them as well, and they end in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outputs = [process.communicate()[0] for process in running]
    return [json.loads(output) for output in outputs if output]


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Bring failures about, show what they have shown, and write it down if wished.

    Returns:
        The exit code: 1 if there was a violation.
    """
    logging.basicConfig(level=logging.ERROR)
    arguments = sys.argv[1:] if arguments is None else arguments
    options = _options(arguments)
    if options.only:
        rows = [_run(options.only, options)]
    else:
        # Each process would write; this one does when all have ended.
        passed = [each for each in arguments if each != "--write"]
        rows = _run_at_once(passed, options)
    show: Callable[[str], object] = sys.stdout.write
    show(f"{json.dumps(rows[0]) if options.only else tables(rows)}\n")
    if options.write:
        write(rows, _RESULTS, _PAGE)
    is_whole = len(rows) == (1 if options.only else len(_TITLES))
    return int(not is_whole or any(row["violation"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
