"""
How sums come back that are larger than any integer of the database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from asm_async.sql.core.column_types import Processor, nullable

# A count has 53 bits. Neither half's sum can overflow below 2**36 rows.
_LOW_BITS = 27


class WholeSum(UserDefinedType[int]):
    """
    A whole number of any size, which *convert* makes of what the database returns.
    """

    cache_ok: bool | None = True

    def __init__(self, convert: Callable[[Any], int]) -> None:
        self.convert = convert

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(self.convert)


def sum_of_halves(count: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """
    Add up the upper and the lower halves of a count's bits, each by itself.

    Few counts have an upper half, and to leave out the others is faster than to add
    their zeros.
    """
    number, lower_bits = sa.type_coerce(count, sa.Integer), 2**_LOW_BITS - 1
    upper = sa.func.sum(number.bitwise_rshift(_LOW_BITS)).filter(number > lower_bits)
    lower = sa.func.sum(number.bitwise_and(lower_bits))
    known = sa.func.coalesce(upper, 0)
    both = sa.type_coerce(known, sa.Text) + " " + sa.type_coerce(lower, sa.Text)
    return sa.type_coerce(both, WholeSum(_whole))


def _whole(text: str) -> int:
    upper, lower = text.split()
    return (int(upper) << _LOW_BITS) + int(lower)
