"""
Prices of models from the library ``genai-prices`` (the extra ``prices``).
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from asm_async.errors import MissingDependencyError
from asm_async.values import fields
from asm_async.values.token_price import TokenPrice

try:
    from genai_prices import Usage, calc_price
    from genai_prices.types import TieredPrices
except ImportError as _missing:
    raise MissingDependencyError("genai-prices", "prices") from _missing

__all__ = ["GenAIPrices"]


class GenAIPrices:
    """
    A :class:`~asm_async.values.token_price.PriceLookup` in published price lists.

    The lists are those that came with the installed version of ``genai-prices``:
    nothing is asked of the network, and a newer list comes with a newer version (or
    with the ``UpdatePrices`` of that library, where the application has started it).

    It gives one price each for what is read, for what of that is read from a cache or
    written to one, and for what is written. So what a summary computes with it is the
    list price of ordinary requests, and more or less than the bill where

    - tokens are of audio or images: all are priced as text;
    - a price rises with the length of a request: the price of short ones is used,
      since a run does not hold how its tokens were divided among requests;
    - a price has changed, or depends on the hour: all runs are priced as at one time;
    - requests, searches or tools are billed by number, or a discount was agreed on.

    Store *cost_usd* with the run where the provider reports it: that is never computed.

    Args:
        at: The time whose prices are given; that of each call unless given.

    Raises:
        ValidationError: If *at* is naive, or no time.
    """

    def __init__(self, *, at: datetime | None = None) -> None:
        self._at = fields.optional(at, "at", fields.utc_time)

    def __call__(self, provider: str | None, model: str | None, /) -> TokenPrice | None:
        """
        Return the price of a provider's model, by any name that the library has.

        Without a provider the library derives it from the model's name. Without a
        model, or where the list has no price by tokens, there is none.
        """
        if model is None:
            return None
        try:
            found = calc_price(
                Usage(input_tokens=0, output_tokens=0),
                model,
                provider_id=provider,
                genai_request_timestamp=self._at,
            )
        except LookupError:
            return None
        prices = found.model_price
        read, written = _base(prices.input_mtok), _base(prices.output_mtok)
        if read is None and written is None:
            return None
        return TokenPrice(
            input_usd_per_million=read or 0.0,
            output_usd_per_million=written or 0.0,
            cache_read_usd_per_million=_base(prices.cache_read_mtok),
            cache_write_usd_per_million=_base(prices.cache_write_mtok),
        )


def _base(price: Decimal | TieredPrices | None) -> float | None:
    base = price.base if isinstance(price, TieredPrices) else price
    return None if base is None else float(base)
