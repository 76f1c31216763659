"""
What every adapter checks before it adds up usage and cost.

Whatever stands here gives its arguments in normal form or raises ``ValidationError``,
with the argument's name at the start of the message.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import ClassVar, cast, get_args

import attrs

from asm_async.ports.query_api import TimeBucket
from asm_async.values import fields
from asm_async.values.token_price import PriceLookup, PricingTable, TokenPrice

__all__ = ["UsageFilter", "check_price_lookup", "check_pricing_table"]


def _optional_bucket(value: object, name: str) -> TimeBucket | None:
    if value is None:
        return None
    return cast("TimeBucket", fields.one_of(value, name, get_args(TimeBucket)))


def _beginning(value: object, name: str) -> str:
    # The empty text is the beginning of every name.
    return "" if value == "" else fields.text(value, name)


_prices = partial(
    fields.mapping_of,
    key_rule=_beginning,
    rule=partial(fields.instance, kind=TokenPrice),
)


def check_pricing_table(value: object) -> PricingTable:
    """
    Accept prices by provider and by the beginning of a model's name; None is no prices.
    """
    if value is None:
        return {}
    return fields.mapping_of(value, "pricing_table", key_rule=fields.text, rule=_prices)


def check_price_lookup(value: object) -> PriceLookup | None:
    """
    Accept what can be called, or None.
    """
    if value is not None and not callable(value):
        raise fields.unexpected("price_lookup", "a callable", value)
    return cast("PriceLookup | None", value)


@attrs.frozen(kw_only=True)
class UsageFilter:
    """
    Which runs to add up, and over which buckets of time.
    """

    session_id: str | None = None
    agent_id: str | None = None
    tenant_id: str | None = None
    provider: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    bucket: TimeBucket | None = None

    _RULES: ClassVar[fields.FieldRules] = {
        "session_id": fields.optional_text,
        "agent_id": fields.optional_text,
        "tenant_id": fields.optional_text,
        "provider": fields.optional_text,
        "since": fields.optional_utc_time,
        "until": fields.optional_utc_time,
        "bucket": _optional_bucket,
    }

    def __attrs_post_init__(self) -> None:
        fields.apply_rules(self, self._RULES)
