"""
What campaigns have shown: kept as JSON, and as the table of the documentation.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tests.torture.campaign import Campaign
from tests.torture.runner import Outcome

__all__ = ["Row", "row_of", "spliced", "table", "told", "update", "write"]

Row: TypeAlias = dict[str, Any]

_COUNTS = ("faults", "acknowledged", "refused", "unknown", "violations")
_HEAD = ("campaign", "database", *_COUNTS, "seconds", "seed")


def row_of(outcome: Outcome) -> Row:
    """
    Return one line of the table as plain JSON.
    """
    order, tally = outcome.order, outcome.tally
    return {
        "name": order.campaign.name,
        "campaign": order.campaign.title,
        "database": order.database,
        "faults": tally and tally.faults,
        "acknowledged": tally and tally.acknowledged,
        "refused": tally and tally.refused,
        "unknown": tally and tally.unknown,
        "violations": int(tally is None),
        "seconds": round(outcome.seconds),
        "seed": order.seed,
    }


def update(
    rows: Iterable[Row], new: Iterable[Row], campaigns: Sequence[Campaign]
) -> list[Row]:
    """
    Return *rows* with *new* ones in the places of those they come after, in order.

    Those of a campaign that there is no more are left out.
    """
    known = {(row["name"], row["database"]): row for row in [*rows, *new]}
    keys = [
        (campaign.name, database)
        for campaign in campaigns
        for database in campaign.databases
    ]
    return [known[key] for key in keys if key in known]


def table(rows: Iterable[Row]) -> str:
    """
    Return the rows as Markdown.
    """
    lines = [_HEAD, _rule(), *(_cells(row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(outcome: Outcome) -> str:
    """
    Say in words what came of a campaign.
    """
    order = outcome.order
    if outcome.violation:
        return (
            f"{order.name}: VIOLATION, seed {order.seed}: {outcome.violation}\n"
            f"everything is kept in {outcome.directory}; again: {order.command}"
        )
    assert outcome.tally is not None
    return f"{order.name}: {outcome.tally.faults} faults and no violation"


def write(new: Iterable[Row], page: Path, campaigns: Sequence[Campaign]) -> None:
    """
    Add rows to the JSON beside a page, and write the page's table anew from it.
    """
    results = page.with_suffix(".json")
    rows: list[Row] = []
    if results.exists():
        rows = json.loads(results.read_text("utf-8"))
    rows = update(rows, new, campaigns)
    results.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")
    page.write_text(spliced(page.read_text("utf-8"), table(rows)), "utf-8")


def spliced(page: str, text: str, *, marker: str = "campaigns") -> str:
    """
    Put *text* between the markers of a page.
    """
    begin, end = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no line {begin!r} before a line {end!r}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def _rule() -> list[str]:
    return ["---" if name in {"campaign", "database"} else "---:" for name in _HEAD]


def _cells(row: Row) -> list[str]:
    return [_cell(name, row[name]) for name in _HEAD]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if name in {*_COUNTS, "seconds"} else str(value)
