"""
The results as the tables of ``docs/explanation/performance.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.report import Results

__all__ = ["markdown"]


def markdown(found: Results) -> str:
    """
    Give the ratios; the rates, for each database and work; and the memory taken.
    """
    ratios = _table(
        ["database", "work", "against", "at least", "median", "from ... to", ""],
        [
            [
                row["database"],
                row["work"],
                row["against"],
                f"{row['at_least']:.2f}",
                f"**{row['median']:.2f}**",
                f"{row['lowest']:.2f} ... {row['highest']:.2f}",
                "met" if row["is_met"] else "missed",
            ]
            for row in found["ratios"]
        ],
    )
    rows = found["measured"]
    kinds = dict.fromkeys((row["database"], row["work"]) for row in rows)
    rates = [
        f"### {database}: {work}\n\n"
        + _rates([row for row in rows if (row["database"], row["work"]) == kind])
        for kind in kinds
        for database, work in [kind]
    ]
    memory = [_memory(found["memory"])] if found["memory"] else []
    return "\n\n".join([ratios, *rates, *memory]) + "\n"


def _memory(rows: Sequence[dict[str, Any]]) -> str:
    """
    Give how far memory rose; who was not asked to read has nothing there.
    """
    works = "appending", "reading"
    table = _table(
        ["database", "contender", *works],
        [
            [row["database"], row["contender"], *(str(row.get(w, "")) for w in works)]
            for row in rows
        ],
    )
    return f"### memory at its peak, MiB more\n\n{table}"


def _rates(rows: Sequence[dict[str, Any]]) -> str:
    """
    Put contenders below each other and sizes side by side.
    """
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    cells = {(row["contender"], row["size"]): _rate(row) for row in rows}
    names = dict.fromkeys(row["contender"] for row in rows)
    return _table(
        ["events a second", *(f"{size:,}" for size in sizes)],
        [[name, *(cells[name, size] for size in sizes)] for name in names],
    )


def _rate(row: dict[str, Any]) -> str:
    times = row["milliseconds_per_call"]
    percents = " / ".join(f"{time:.2f}" for time in times.values())
    rate = f"{row['events_per_second']:,}"
    return f"{rate} ({percents} ms)" if times else rate


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
