"""
What a model's tokens cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

import attrs

from asm_async.values import fields

__all__ = ["PricingTable", "TokenPrice"]


@attrs.frozen(kw_only=True)
class TokenPrice:
    """
    What a model's tokens cost, in US dollars for a million, the unit of price lists.
    """

    input_usd_per_million: float
    """
    The price of what the model reads.
    """

    output_usd_per_million: float
    """
    The price of what the model writes.
    """

    _RULES: ClassVar[fields.FieldRules] = {
        "input_usd_per_million": fields.amount,
        "output_usd_per_million": fields.amount,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)


PricingTable: TypeAlias = Mapping[str, Mapping[str, TokenPrice]]
"""
Prices by provider, then by the beginning of a model's name.

Of several beginnings the longest counts, so that ``"gpt-4o"`` prices
``"gpt-4o-2024-08-06"`` too; the empty one prices whatever the provider has left, runs
without a model included.
"""
