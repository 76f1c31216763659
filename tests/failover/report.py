"""
What failovers have shown: kept as JSON, and as tables of the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

from tests.torture.report import spliced
from tests.torture.runner import Outcome

__all__ = ["Row", "row_of", "tables", "write"]

Row: TypeAlias = Mapping[str, Any]

_MARKER = "failovers"

_ACTS = {
    "kills": "primary's host killed (`kill -9`)",
    "freezes": "primary's host frozen (`SIGSTOP`)",
    "switchovers": "switchover",
    "standbys": "standby's host frozen",
    "cuts": "some clients cut off",
}


def row_of(outcome: Outcome, figures: Mapping[str, Any]) -> Row:
    """
    Return what came of one cluster as plain JSON.
    """
    tally = outcome.tally
    return {
        "cluster": outcome.order.campaign.title,
        "violation": outcome.violation,
        "acknowledged": tally and tally.acknowledged,
        "refused": tally and tally.refused,
        "unknown": tally and tally.unknown,
        "seconds": round(outcome.seconds),
        "seed": outcome.order.seed,
        **figures,
    }


def tables(rows: Sequence[Row]) -> str:
    """
    Return the rows as Markdown: what was kept, and how long nobody was answered.
    """
    return "\n\n".join([_promises(rows), *_noticed(rows), _stalls(rows)])


def _noticed(rows: Iterable[Row]) -> Iterable[str]:
    """
    Say who was told of what asynchronous failovers have lost.
    """
    for row in rows:
        if lost := row.get("lost"):
            yield (
                f"The {len(lost)} asynchronous failovers have lost {sum(lost):,}"
                f" acknowledged events ({', '.join(map(str, lost))})."
                f"\nAll {row['noticed_by_followers']} running followers were told, at"
                f" most {row['seconds_to_notice']} s after the promotion, and so were"
                f" those that resumed at {row['noticed_at_checkpoints']} places among"
                " the lost events."
            )


def _promises(rows: Iterable[Row]) -> str:
    head = (
        *("cluster", "failures", "acknowledged", "refused", "unknown"),
        *("acknowledged and lost", "longest overrun", "violations", "minutes", "seed"),
    )
    rule = ["---", "---", *["---:"] * (len(head) - 2)]
    lines = [f"| {' | '.join(cells)} |" for cells in (head, rule)]
    for row in rows:
        acts = ", ".join(
            f"{name} {n}" for name, n in sorted(row.get("acts", {}).items())
        )
        lost = sum(row.get("lost", []))
        overrun = row.get("overrun")
        cells = [
            row["cluster"],
            acts,
            *(_count(row[name]) for name in ("acknowledged", "refused", "unknown")),
            f"{lost:,}",
            "" if overrun is None else f"{overrun:.1f} s",
            "1" if row["violation"] else "0",
            f"{row['seconds'] / 60:.0f}",
            str(row["seed"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _stalls(rows: Iterable[Row]) -> str:
    """
    Say how long patient writers were without any answer, over all runs of a cluster.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for name, seconds in row.get("stalls", {}).items():
            found.setdefault((name, row["cluster"]), []).extend(seconds)
    lines = [
        "| failure | cluster | times | no answer for: median | longest |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for (name, cluster), seconds in sorted(found.items()):
        cells = (_ACTS[name], cluster, str(len(seconds)))
        times = (f"{median(seconds):.1f} s", f"{max(seconds):.1f} s")
        lines.append(f"| {' | '.join((*cells, *times))} |")
    return "\n".join(lines)


def write(new: Iterable[Row], results: Path, page: Path) -> None:
    """
    Write rows in place of those of the same clusters, to the JSON and to the page.
    """
    rows, added = list[Row](), list(new)
    if results.exists():
        rows = json.loads(results.read_text("utf-8"))
    again = {row["cluster"] for row in added}
    rows = [row for row in rows if row["cluster"] not in again] + added
    results.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    text = spliced(page.read_text("utf-8"), tables(rows), marker=_MARKER)
    page.write_text(text, "utf-8")
