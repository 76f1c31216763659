"""
The two pictures: throughput against agents, and an append's cost against the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from benchmarks.databases import DATABASES
from benchmarks.report import Results

__all__ = ["draw"]

_TITLES = {"sqlite": "SQLite, synchronous=FULL", "postgresql": "PostgreSQL, fsync on"}
_STYLES: dict[str, dict[str, Any]] = {
    "store": {"color": "#d1495b", "linewidth": 2.5, "marker": "o", "zorder": 3},
    "before": {"color": "#e6a1a8", "linewidth": 1.5, "marker": "o"},
    "raw": {"color": "#444444", "linewidth": 1.5, "marker": "o", "linestyle": "--"},
    "hop": {"color": "#888888", "linewidth": 1.5, "marker": "o", "linestyle": ":"},
    "peer": {"linewidth": 1.2, "marker": "."},
}
_PEERS = ("#00798c", "#edae49", "#8e6c8a", "#66a182")


def draw(found: Results, directory: Path) -> None:
    """
    Write ``agents.svg`` and ``log-size.svg``.
    """
    mpl.use("svg")
    # The same figures make the same file.
    mpl.rcParams["svg.hashsalt"] = "asm_async"
    mpl.rcParams["svg.fonttype"] = "none"
    directory.mkdir(parents=True, exist_ok=True)
    rows = found["measured"]
    _picture(
        [row for row in rows if row["work"] == "agents"],
        lambda row: row["per_second"],
        ("agents, each awaiting one append at a time", "events a second"),
        directory / "agents.svg",
    )
    _picture(
        [row for row in rows if row["work"] == "growth"],
        lambda row: 1_000_000 / row["per_second"],
        ("events already in the log", "microseconds an event, 32 agents"),
        directory / "log-size.svg",
    )
    plt.close("all")


def _picture(
    rows: Sequence[dict[str, Any]],
    height: Any,
    labels: tuple[str, str],
    path: Path,
) -> None:
    measured = {row["database"] for row in rows}
    databases = [database for database in DATABASES if database in measured]
    if not databases:
        return
    size = 5 * len(databases), 4.8
    figure, (axes,) = plt.subplots(
        1, len(databases), figsize=size, sharey=True, squeeze=False
    )
    for database, ax in zip(databases, axes, strict=True):
        _curves(ax, [row for row in rows if row["database"] == database], height)
        ax.set(title=_TITLES[database], xlabel=labels[0], xscale="log", yscale="log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.xaxis.set_minor_formatter("")
        ax.set_xticks(sorted({row["size"] for row in rows}))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        ax.grid(alpha=0.3)
        ax.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize="small"
        )
    axes[0].set_ylabel(labels[1])
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _curves(ax: Axes, rows: Sequence[dict[str, Any]], height: Any) -> None:
    colours = iter(_PEERS)
    for name in dict.fromkeys(row["contender"] for row in rows):
        own = [row for row in rows if row["contender"] == name]
        style = _STYLES[own[0]["kind"]]
        if "color" not in style:
            style = style | {"color": next(colours)}
        ax.plot(
            [row["size"] for row in own],
            [height(row) for row in own],
            label=name,
            **style,
        )
