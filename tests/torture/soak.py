"""
Mixed load for half an hour, after which memory and connections are what they were.

``python -m tests.torture.soak --database sqlite --record FILE`` runs it alone and keeps
its figures; ``python -m tests.torture.soak_picture FILE ...`` draws them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from pathlib import Path

from asm_async.sql import create_engine
from tests.fault.leftovers import dispose_of
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database
from tests.torture.soak_figures import Figures, Measurer
from tests.torture.soak_load import MixedLoad

__all__ = ["CAMPAIGN", "check", "soak", "told"]

_CONNECTIONS = 8
_WINDOWS = 60
_MAX_GROWTH_MEBIBYTES = 8.0


async def run(setting: Setting) -> Tally:
    """
    Put the database under load for as many seconds as there are faults to bring about.
    """
    figures, calls = await soak(setting)
    check(figures, most_growth=_MAX_GROWTH_MEBIBYTES)
    seconds = int(figures.seconds)
    return Tally(faults=seconds, acknowledged=calls, refused=0, unknown=0)


async def soak(setting: Setting) -> tuple[Figures, int]:
    """
    Return what was measured, and how many calls returned.
    """
    async with migrated_database(setting) as url:
        engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=0)
        try:
            measurer = Measurer(engine)

            def is_over() -> bool:
                return measurer.elapsed >= setting.faults or setting.is_over()

            load = MixedLoad(engine, measurer, setting.random)
            measuring = asyncio.create_task(_measure(measurer, setting))
            try:
                await load.run(is_over)
            finally:
                measuring.cancel()
                await asyncio.wait({measuring})
        finally:
            await dispose_of(engine)
    return measurer.figures(setting.database), load.calls


async def _measure(measurer: Measurer, setting: Setting) -> None:
    """
    Look once a second, or more often if the load is short.
    """
    pause = min(1.0, setting.faults / 100)
    window = setting.faults / _WINDOWS
    end = window
    while True:
        measurer.look()
        if measurer.elapsed >= end:
            measurer.end_window()
            end += window
        await asyncio.sleep(pause)


def check(figures: Figures, *, most_growth: float) -> None:
    """
    Assert that what is held stayed the same over the second half.

    Args:
        figures: What was measured.

        most_growth: How many MiB of memory the line that fits the second half best may
            rise.
    """
    assert figures.growth("resident") <= most_growth, told(figures)
    assert max(sample.connections for sample in figures.samples) <= _CONNECTIONS
    assert figures.growth("connections") < 1, told(figures)
    assert figures.growth("files") < 2, told(figures)
    assert figures.growth("threads") < 2, told(figures)


def told(figures: Figures) -> str:
    """
    Sum the figures up in a few lines.
    """
    grown = ", ".join(
        f"{field} {figures.mean(field):.1f} ({figures.growth(field):+.2f})"
        for field in ("resident", "connections", "files", "threads")
    )
    kinds = sorted({window.kind for window in figures.windows})
    calls = ", ".join(f"{kind} {figures.calls(kind):,}" for kind in kinds)
    return (
        f"{figures.database}, {figures.seconds:.0f} s, load {figures.other_load:.1f}\n"
        f"mean of the second half (growth over it): {grown}\n"
        f"calls: {calls}"
    )


def main() -> None:
    """
    Soak one database, and write the figures to a file.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], required=True)
    parser.add_argument("--seconds", type=int, default=CAMPAIGN.faults)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--record", type=Path, help="where to write the figures")
    options = parser.parse_args()

    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    tell(f"seed {options.seed}")
    with tempfile.TemporaryDirectory() as directory:
        setting = Setting(
            database=options.database,
            faults=options.seconds,
            random=random.Random(options.seed),
            directory=Path(directory),
            tell=tell,
        )
        figures, _ = asyncio.run(soak(setting))
    if options.record:
        options.record.write_text(json.dumps(figures.to_dict()), encoding="utf-8")
    tell(told(figures))
    check(figures, most_growth=_MAX_GROWTH_MEBIBYTES)


CAMPAIGN = Campaign(
    name="soak",
    title="Seconds of mixed load, after which memory and connections are the same",
    run=run,
    faults=1_800,
)


if __name__ == "__main__":
    main()
