"""
How sums come back that are larger than any integer of the database.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from asm_async.sql.core.column_types import Processor, nullable

# A count has 53 bits. Neither half's sum can overflow below 2**36 rows.
_LOW_BITS = 27


class NumericSum(UserDefinedType[int]):
    """
    A whole number of any size, which the database keeps as a decimal.
    """

    cache_ok: bool | None = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(int)


class HalvesSum(UserDefinedType[int]):
    """
    The sums of the upper and of the lower halves, as text with a space between them.
    """

    cache_ok: bool | None = True

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Processor:
        return nullable(_whole)


def _whole(text: str) -> int:
    upper, lower = text.split()
    return (int(upper) << _LOW_BITS) + int(lower)


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
    return sa.type_coerce(both, HalvesSum())
