"""
Published prices of models, where the library that has them is installed.
"""

from __future__ import annotations

from importlib import import_module

from asm_async.errors import MissingDependencyError
from asm_async.values.token_price import PriceLookup


def list_prices() -> PriceLookup | None:
    """
    Return what knows list prices; None without the extra ``prices``.
    """
    try:
        module = import_module("asm_async.integrations.genai_prices")
    except MissingDependencyError:
        return None
    prices: PriceLookup = module.GenAIPrices()
    return prices
