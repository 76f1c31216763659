"""
The results as tables: of the terminal, and of the page that has all figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.report import Results

__all__ = ["markdown"]


def markdown(found: Results) -> str:
    """
    Return the goals; the rates, for each database and work; and the memory taken.
    """
    rows = found["measured"]
    kinds = dict.fromkeys((row["database"], row["unit"], _work(row)) for row in rows)
    parts = [_goals(found["goals"])] if found["goals"] else []
    for kind in kinds:
        of_kind = [
            row for row in rows if (row["database"], row["unit"], _work(row)) == kind
        ]
        parts.append(_processor(of_kind) if kind[1] == "processor" else _rates(of_kind))
    if found["memory"]:
        parts.append(_memory(found["memory"]))
    return "\n\n".join(parts) + "\n"


def _work(row: dict[str, Any]) -> str:
    # The calls stand in one table.
    return "calls" if row["unit"] == "processor" else row["work"]


def _goals(rows: Sequence[dict[str, Any]]) -> str:
    return _table(
        ["database", "work", "against", "bound", "median", "quartiles", ""],
        [
            [
                row["database"],
                row["said"],
                row["against"],
                f"{row['bound']:.2f}",
                f"**{row['median']:.2f}**",
                _between(row["quartiles"]),
                "met" if row["is_met"] else "missed",
            ]
            for row in rows
        ],
    )


def _rates(rows: Sequence[dict[str, Any]]) -> str:
    """
    Put contenders below each other and sizes side by side.
    """
    first = rows[0]
    log = f" (SQLite's log: {first['log']})" if first["log"] else ""
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    cells = {(row["contender"], row["size"]): _rate(row) for row in rows}
    names = dict.fromkeys(row["contender"] for row in rows)
    head = [f"{first['unit']} a second", *(f"{size:,}" for size in sizes)]
    table = _table(
        head, [[one, *(cells[one, size] for size in sizes)] for one in names]
    )
    return f"### {first['database']}: {first['work']}{log}\n\n{table}"


def _rate(row: dict[str, Any]) -> str:
    """
    Return the rate, its calls' milliseconds, and how many times as fast the store is.
    """
    rate = f"{row['per_second']:,.0f}"
    if times := row["milliseconds_per_call"]:
        rate += f" ({' / '.join(f'{time:.2f}' for time in times.values())} ms)"
    if row["failures"]:
        rate += f", {row['failures']:,} failed"
    return rate if row["kind"] == "store" else f"{rate}, {_against(row)}"


def _processor(rows: Sequence[dict[str, Any]]) -> str:
    """
    Put calls below each other and contenders side by side.
    """
    names = list(dict.fromkeys(row["contender"] for row in rows))
    cells = {(row["work"], row["contender"]): row for row in rows}
    works = dict.fromkeys(row["work"] for row in rows)
    lines = [[work, *(_cost(cells[work, name]) for name in names)] for work in works]
    table = _table(["ms of the processor a call", *names], lines)
    return f"### {rows[0]['database']}: processor\n\n{table}"


def _cost(row: dict[str, Any]) -> str:
    cost = f"{1000 / row['per_second']:,.3f}"
    if times := row["milliseconds_per_call"]:
        cost += f" (wall {times['p50']:.2f})"
    return cost if row["kind"] == "store" else f"{cost}, {_against(row)}"


def _against(row: dict[str, Any]) -> str:
    middle, *around = row["store_against_it"]
    return f"x **{middle:.2f}** [{_between(around)}]"


def _between(ends: Sequence[float]) -> str:
    return " ... ".join(f"{end:.2f}" for end in ends)


def _memory(rows: Sequence[dict[str, Any]]) -> str:
    """
    Show how far memory rose; a contender that cannot read a session has nothing there.
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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
