"""
Pages of what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias, TypeVar

from cyclopts import Parameter

from asm_async.cli.options import Options
from asm_async.cli.reports import say
from asm_async.cli.screen import Column, Screen
from asm_async.values.page import Page
from asm_async.values.plain_value import PlainValue, plain_json
from asm_async.values.value import Value

T = TypeVar("T", bound=Value)

Limit: TypeAlias = Annotated[int, Parameter(alias="-n", metavar="NUMBER")]
"""
How many to print at most: 0 to 1,000.
"""


def print_page(
    options: Options,
    page: Page[T],
    columns: Sequence[Column],
    row: Callable[[T], Sequence[str]],
) -> None:
    """
    Print a page as a table or as JSON, and report how to see the next one.
    """
    screen = Screen()
    if options.as_json:
        screen.json(
            {
                "items": [_plain(item) for item in page],
                "cursor": page.cursor,
                "total_count": page.total_count,
            }
        )
        return
    screen.table(columns, map(row, page))
    screen.flush()
    if not page.items:
        say(options, "nothing found")
    if page.total_count is not None:
        say(options, f"{len(page):,} of {page.total_count:,}")
    if page.cursor is not None:
        say(options, f"there are more: --cursor {page.cursor}")


def _plain(item: Value) -> Any:
    return item.to_dict() if isinstance(item, PlainValue) else plain_json(item)
