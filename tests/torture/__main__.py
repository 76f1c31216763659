"""
Break things on purpose and see what was promised hold: ``python -m tests.torture``.

Each campaign brings one kind of misfortune about, again and again, and then lays what
its callers were told beside the database. Ctrl-C ends the campaign at hand as if its
time were up; pressed again, it breaks it off.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import attrs

from tests.torture.campaign import Campaign, Database
from tests.torture.campaigns import CAMPAIGNS
from tests.torture.report import Row, row_of, table, told, write
from tests.torture.runner import Interruption, Order, Outcome, run_campaign

__all__ = ["main"]

_PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "reliability.md"
_SEEDS = 10**6


@attrs.frozen
class Faults:
    """
    How many faults: a number, or a share of what each campaign brings about.
    """

    number: int | None = None
    share: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Faults:
        """
        Read ``20`` or ``10%``.
        """
        if text.endswith("%"):
            return cls(share=float(text[:-1]) / 100)
        return cls(number=int(text))

    def of(self, campaign: Campaign) -> int:
        """
        Return the number for one campaign, at least one.
        """
        if self.number is not None:
            return max(1, self.number)
        return max(1, round(campaign.faults * self.share))


def _options(
    arguments: Sequence[str] | None, campaigns: Sequence[Campaign]
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=[campaign.name for campaign in campaigns],
        help="only this campaign (may be given more than once)",
    )
    parser.add_argument(
        "--database",
        action="append",
        choices=get_args(Database),
        help="only this kind of database (may be given twice)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=time.time_ns() % _SEEDS,
        help="where all choices come from; taken from the clock if it is not given",
    )
    parser.add_argument(
        "--faults",
        type=Faults.parse,
        default=Faults(),
        help="how many faults each campaign brings about, or a share such as 10%%",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=1800.0,
        help="after how long each campaign brings about no more (%(default).0f)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the results into the table of docs/explanation/reliability.md",
    )
    return parser.parse_args(arguments)


def _orders(
    options: argparse.Namespace, campaigns: Sequence[Campaign]
) -> Iterator[Order]:
    for campaign in campaigns:
        if options.only and campaign.name not in options.only:
            continue
        for database in campaign.databases:
            if not options.database or database in options.database:
                yield Order(
                    campaign=campaign,
                    database=database,
                    faults=options.faults.of(campaign),
                    seed=options.seed,
                    seconds=options.seconds,
                )


def _run_all(orders: Iterator[Order]) -> Iterator[Outcome]:
    """
    Run one after the other, until somebody wishes to end.
    """
    interruption = Interruption(_say)
    for order in orders:
        _say(f"{order.name}: {order.faults} faults, seed {order.seed}")
        try:
            outcome = run_campaign(order, interruption, _say)
        except KeyboardInterrupt:
            _say(f"{order.name}: broken off")
            return
        _say(told(outcome))
        yield outcome
        if interruption.is_asked:
            return


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stderr.flush()


def main(
    arguments: Sequence[str] | None = None,
    *,
    campaigns: Sequence[Campaign] = CAMPAIGNS,
    page: Path = _PAGE,
) -> int:
    """
    Run campaigns, show what they have shown, and write it down if that is wished.

    Returns:
        The exit code: 1 if there was a violation.
    """
    options = _options(arguments, campaigns)
    if options.write:
        # Rather now than after hours, if there is no place for the table.
        write([], page, campaigns)
    rows: list[Row] = []
    for outcome in _run_all(_orders(options, campaigns)):
        rows.append(row_of(outcome))
        if options.write:
            write(rows, page, campaigns)
    sys.stdout.write(f"{table(rows)}\n")
    return int(any(row["violations"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
