"""
The price of a model's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

import attrs

from asm_async.values.fields import Amount
from asm_async.values.value import Value


@attrs.frozen(kw_only=True)
class TokenPrice(Value):
    """
    The price of a model's tokens, in US dollars for a million, the unit of price lists.
    """

    input_usd_per_million: Amount
    """
    The price of what the model reads, at most 10**15.
    """

    output_usd_per_million: Amount
    """
    The price of what the model writes, at most 10**15.
    """

    cache_read_usd_per_million: Amount | None = None
    """
    The price of what of the input is read from a cache; that of input unless given.
    """

    cache_write_usd_per_million: Amount | None = None
    """
    The price of what of the input is written to a cache; that of input unless given.
    """

    def cost_of(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> float:
        """
        Return the cost of so many tokens, in US dollars.

        Args:
            input_tokens: All that the model read.

            output_tokens: All that it wrote.

            cache_read_tokens: What of the input was read from a cache.

            cache_write_tokens: What of the input was written to a cache.
        """
        uncached, full_price = input_tokens, self.input_usd_per_million
        cost = output_tokens * self.output_usd_per_million
        for tokens, price in (
            (cache_read_tokens, self.cache_read_usd_per_million),
            (cache_write_tokens, self.cache_write_usd_per_million),
        ):
            if price is not None:
                uncached -= tokens
                cost += tokens * price
        return (uncached * full_price + cost) / 1_000_000


PricingTable: TypeAlias = Mapping[str, Mapping[str, TokenPrice]]
"""
Prices by provider, then by the beginning of a model's name.

Of several beginnings the longest counts, so that ``"gpt-4o"`` prices
``"gpt-4o-2024-08-06"`` too; the empty one prices whatever the provider has left, runs
without a model included. Runs without a provider are priced as those of ``"unknown"``,
under which summaries show them. Upper and lower case differ.
"""


class PriceLookup(Protocol):
    """
    Finds the price of a model's tokens, or none.
    """

    def __call__(self, provider: str | None, model: str | None, /) -> TokenPrice | None:
        """
        Find the price of a provider's model; None is one without a name.
        """
        ...


def price_in(
    table: PricingTable, provider: str, model: str | None
) -> TokenPrice | None:
    """
    Find what *table* says of a provider's model.
    """
    prices = table.get(provider, {})
    name = model or ""
    beginnings = [beginning for beginning in prices if name.startswith(beginning)]
    return prices[max(beginnings, key=len)] if beginnings else None
