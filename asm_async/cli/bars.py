"""
Figures as bars of characters.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from asm_async.cli.screen import Screen
from asm_async.cli.styles import QUIET
from asm_async.cli.texts import on_one_line
from asm_async.cli.usage_rows import Measure, UsageRow

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDTH_OF_NONE = 80
_MAX_NAME = 40


def print_bars(
    screen: Screen, rows: Sequence[UsageRow], measure: Measure | None
) -> None:
    """
    Print a bar for each group, the longest for the greatest.

    Without a measure, cost is shown where any is known, else tokens.
    """
    chosen = measure or ("cost" if any(row.cost for row in rows) else "tokens")
    names = [on_one_line(" ".join(row.names)) for row in rows]
    figures = [row.shown(chosen) for row in rows]
    width = screen.width if screen.is_terminal else _WIDTH_OF_NONE
    room = max((min(cell_len(name), _MAX_NAME) for name in names), default=0)
    number = max(map(len, figures), default=0)
    longest = max(width - room - number - 4, 8)
    greatest = max((row.value(chosen) for row in rows), default=0.0) or 1.0
    for row, name, figure in zip(rows, names, figures, strict=True):
        cells = longest * row.value(chosen) / greatest
        screen.line(
            set_cell_size(name, max(room, cell_len(name))),
            f"  {figure.rjust(number)}  ",
            (_bar(cells, has_blocks=screen.has(_EIGHTHS)), "green"),
        )
    screen.line((chosen, QUIET))


def _bar(cells: float, *, has_blocks: bool) -> str:
    if not has_blocks:
        return "#" * round(cells)
    eighths = round(cells * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
