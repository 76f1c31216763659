"""
The results, as they are kept in JSON and as tables in the terminal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from benchmarks.goals import Verdict, verdicts
from benchmarks.measure import Measured, percentiles, ratio

__all__ = ["Results", "print_results", "results"]

Results: TypeAlias = dict[str, Any]


def results(
    machine: dict[str, Any],
    measured: Sequence[Measured],
    memory: Sequence[dict[str, Any]],
) -> Results:
    """
    Put everything that was found into plain JSON.
    """
    return {
        "machine": machine,
        "ratios": [_plain_verdict(verdict) for verdict in verdicts(measured)],
        "measured": [_plain(one, _store_beside(one, measured)) for one in measured],
        "memory": list(memory),
    }


def _plain_verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "database": verdict.database,
        "work": verdict.said,
        "against": verdict.against,
        "at_least": round(verdict.least, 2),
        "median": round(verdict.median, 3),
        "lowest": round(verdict.lowest, 3),
        "highest": round(verdict.highest, 3),
        "is_met": verdict.is_met,
    }


def _store_beside(one: Measured, measured: Sequence[Measured]) -> Measured:
    """
    Find the store's own figures at the same work.
    """
    key = one.database, one.work, one.size
    return next(
        other
        for other in measured
        if other.kind == "store" and (other.database, other.work, other.size) == key
    )


def _plain(one: Measured, store: Measured) -> dict[str, Any]:
    middle, lowest, highest = ratio(store.rates, one.rates)
    milliseconds = {
        name: round(seconds * 1000, 3)
        for name, seconds in percentiles(one.latencies).items()
    }
    return {
        "database": one.database,
        "work": one.work,
        "size": one.size,
        "contender": one.contender,
        "kind": one.kind,
        "store_against_it": [round(figure, 3) for figure in (middle, lowest, highest)],
        "events_per_second": round(one.rate),
        "of_each_round": [round(rate) for rate in one.rates],
        "milliseconds_per_call": milliseconds,
        "failures": one.failures,
    }


def print_results(found: Results, console: Console) -> None:
    """
    Show the ratios first, then what they are made of.
    """
    console.print(_ratio_table(found["ratios"]))
    for title, rows in groupby(sorted(found["measured"], key=_title), key=_title):
        console.print(_rate_table(title, list(rows)))
    if found["memory"]:
        console.print(_memory_table(found["memory"]))
    console.print(found["machine"])


def _title(row: dict[str, Any]) -> str:
    return f"{row['database']}: {row['work']}"


def _table(title: str, texts: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for text in texts:
        table.add_column(text)
    for figure in figures:
        table.add_column(figure, justify="right")
    return table


def _ratio_table(rows: Sequence[dict[str, Any]]) -> Table:
    texts = "database", "work", "against"
    figures = "at least", "median", "lowest ... highest", ""
    table = _table("asm_async: what it must show", texts, figures)
    for row in rows:
        table.add_row(
            *(row[text] for text in texts),
            f"{row['at_least']:.2f}",
            f"{row['median']:.2f}",
            f"{row['lowest']:.2f} ... {row['highest']:.2f}",
            "met" if row["is_met"] else "[bold]missed",
        )
    return table


def _rate_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    percents = "p50", "p95", "p99"
    figures = "asm_async / it", "events/s", *(f"{name} ms" for name in percents)
    table = _table(title, ["contender"], ["size", *figures, "failed"])
    for row in rows:
        times = row["milliseconds_per_call"]
        table.add_row(
            row["contender"],
            f"{row['size']:,}",
            f"{row['store_against_it'][0]:.2f}",
            f"{row['events_per_second']:,}",
            *(f"{times[name]:.2f}" if times else "" for name in percents),
            f"{row['failures']:,}" if row["failures"] else "",
        )
    return table


def _memory_table(rows: Sequence[dict[str, Any]]) -> Table:
    works = "appending", "reading"
    table = _table("memory at its peak, MiB more", ["database", "contender"], works)
    for row in rows:
        rises = (str(row.get(work, "")) for work in works)
        table.add_row(row["database"], row["contender"], *rises)
    return table
