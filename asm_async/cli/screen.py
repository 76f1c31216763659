"""
Standard output, for people and for programs.

All that is printed goes through here, where what was stored is made harmless: a text
must not move the cursor, change the title of a window or reorder what stands around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from asm_async.cli.streams import is_terminal, standard_output
from asm_async.cli.texts import on_one_line, visible
from asm_async.values.json_values import encode_json
from asm_async.values.plain_value import PlainValue, plain_json

Span: TypeAlias = tuple[str, str]
"""
A text and its style.
"""

# Where no terminal has a width, lines are as long as what stands in them.
_UNBOUNDED = 1_000_000
_GAP = 2
_MIN_WIDTH = 8


@attrs.frozen
class Column:
    """
    A column of a table.
    """

    heading: str
    is_number: bool = False
    style: str = ""

    is_whole: bool = True
    """
    Whether its texts are never cut off, as those are that somebody copies.
    """


class Screen:
    """
    Prints lines, tables and JSON to standard output.

    Colours are used on a terminal that has them, unless NO_COLOR is set, and elsewhere
    if FORCE_COLOR is.
    """

    def __init__(self) -> None:
        self._output = standard_output()
        self.is_terminal: bool = is_terminal(self._output)
        self._console = Console(
            file=self._output,
            width=None if self.is_terminal else _UNBOUNDED,
            emoji=False,
            highlight=False,
            markup=False,
        )

    @property
    def width(self) -> int:
        """
        How many cells a line has.
        """
        return self._console.width

    def has(self, text: str) -> bool:
        """
        Return whether the output's encoding has the characters of *text*.
        """
        try:
            text.encode(self._output.encoding)
        except UnicodeEncodeError:
            return False
        return True

    def line(self, *spans: str | Span) -> None:
        """
        Print one line of some texts, each with or without a style.
        """
        text = _joined(spans)
        text.rstrip()
        self._print(text)

    def cut_line(self, *spans: str | Span) -> None:
        """
        Print the beginning of a line, as far as a terminal has room for it.
        """
        text = _joined(spans)
        text.rstrip()
        text.truncate(self.width, overflow="ellipsis")
        self._print(text)

    def block(self, text: str, style: str = "", *, indent: int = 2) -> None:
        """
        Print a text of any number of lines.
        """
        shown = Text(visible(text).rstrip("\n"), style, overflow="fold")
        # Padding would fill each line with blanks up to the longest of all.
        if self.is_terminal:
            self._print(Padding(shown, (0, 0, 0, indent), expand=False))
        else:
            for each in shown.split("\n", allow_blank=True):
                self._print(Text(" " * indent if each.plain else "") + each)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """
        Print a table; where a terminal has no room for it, each row as lines.

        A column without a text in any row is left out.
        """
        cells = [[on_one_line(cell) for cell in row] for row in rows]
        kept = [i for i in range(len(columns)) if any(row[i] for row in cells)]
        chosen = [columns[i] for i in kept]
        cells = [[row[i] for i in kept] for row in cells]
        if not cells:
            return
        widths = [
            max(cell_len(text) for text in (column.heading, *(row[i] for row in cells)))
            for i, column in enumerate(chosen)
        ]
        if self._shrink(chosen, widths):
            self._print_table(chosen, cells, widths)
        else:
            self._print_as_lines(chosen, cells)

    def _shrink(self, columns: Sequence[Column], widths: list[int]) -> bool:
        """
        Make columns narrower that need not be whole, until all have room on a line.
        """
        room = self.width - _GAP * (len(widths) - 1)
        while sum(widths) > room:
            width, place = max(
                (0 if column.is_whole else widths[i], i)
                for i, column in enumerate(columns)
            )
            if width <= _MIN_WIDTH:
                return False
            widths[place] -= 1
        return True

    def json(self, value: object) -> None:
        """
        Print a value as one line of JSON in ASCII.
        """
        plain: Any = (
            value.to_dict() if isinstance(value, PlainValue) else plain_json(value)
        )
        # The one character of ASCII that JSON need not escape and a terminal may obey.
        text = encode_json(plain).replace("\x7f", "\\u007f")
        self._output.write(f"{text}\n")

    def flush(self) -> None:
        """
        Hand over what was printed, such as before a long wait.
        """
        self._output.flush()

    def _print_table(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        widths: Sequence[int],
    ) -> None:
        headings = [column.heading.upper() for column in columns]
        for number, row in enumerate((headings, *rows)):
            text = Text(overflow="fold")
            for column, cell, width in zip(columns, row, widths, strict=True):
                part = Text(cell, column.style if number else "bold")
                part.truncate(width, overflow="ellipsis")
                part.align("right" if column.is_number else "left", width)
                text.append_text(part)
                text.append(" " * _GAP)
            text.rstrip()
            self._print(text)

    def _print_as_lines(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]]
    ) -> None:
        room = max(cell_len(column.heading) for column in columns)
        for number, row in enumerate(rows):
            if number:
                self._print(Text())
            for column, cell in zip(columns, row, strict=True):
                if cell:
                    name = column.heading.ljust(room + _GAP)
                    self.line((name, "bold"), (cell, column.style))

    def _print(self, renderable: Text | Padding) -> None:
        self._console.print(renderable, soft_wrap=not isinstance(renderable, Padding))


def _joined(spans: Iterable[str | Span]) -> Text:
    text = Text(overflow="fold")
    for span in spans:
        part, style = (span, "") if isinstance(span, str) else span
        # A blank around a text keeps it from its neighbours.
        before = " " * (len(part) - len(part.lstrip(" ")))
        behind = " " * (len(part) - len(part.rstrip(" "))) if part.strip() else ""
        text.append(f"{before}{on_one_line(part)}{behind}", style or None)
    return text
