"""
The picture of a soak: latencies and memory over time.

``python -m tests.torture.soak_picture FILE ... --write`` draws figures that
``python -m tests.torture.soak --record FILE`` has kept; without ``--write`` it says
what they come to.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.torture.soak import told
from tests.torture.soak_figures import PERCENTILES, Figures

__all__ = ["draw"]

_PICTURE = Path(__file__).parents[2] / "docs" / "images" / "soak.svg"
_COLOURS = ("#00798c", "#edae49", "#d1495b")
_KIND = "append"
_TITLES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def draw(soaked: Sequence[Figures], path: Path) -> None:
    """
    Write the picture, one column for each database.
    """
    mpl.use("svg")
    # The same figures make the same file.
    mpl.rcParams["svg.hashsalt"] = "asm_async"
    mpl.rcParams["svg.fonttype"] = "none"
    # Its types are known in part only.
    figure: Any
    axes: Any
    figure, axes = plt.subplots(
        2,
        len(soaked),
        figsize=(5 * len(soaked), 5.6),
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    for column, figures in enumerate(soaked):
        _draw_latencies(axes[0][column], figures)
        _draw_memory(axes[1][column], figures)
    axes[0][0].set_ylabel("milliseconds an append")
    axes[1][0].set_ylabel("resident memory, MiB")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _draw_latencies(ax: Any, figures: Figures) -> None:
    windows = [window for window in figures.windows if window.kind == _KIND]
    for place, percentile in enumerate(PERCENTILES):
        ax.plot(
            [window.at / 60 for window in windows],
            [window.percentiles[place] for window in windows],
            color=_COLOURS[place],
            label=f"{percentile} %",
        )
    ax.set(title=_TITLES[figures.database], yscale="log")
    ax.grid(alpha=0.3)
    ax.legend(ncols=len(PERCENTILES), fontsize="small")


def _draw_memory(ax: Any, figures: Figures) -> None:
    ax.plot(
        [sample.at / 60 for sample in figures.samples],
        [sample.resident for sample in figures.samples],
        color=_COLOURS[0],
    )
    ax.set(xlabel="minutes")
    ax.set_ylim(bottom=0)
    ax.grid(alpha=0.3)


def main() -> None:
    """
    Tell what files of figures come to, and draw them if that is asked for.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.torture.soak_picture")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help=f"write {_PICTURE.name}")
    options = parser.parse_args()
    soaked = [Figures.from_dict(json.loads(file.read_text())) for file in options.files]
    for figures in soaked:
        sys.stdout.write(f"{told(figures)}\n")
    if options.write:
        draw(soaked, _PICTURE)


if __name__ == "__main__":
    main()
