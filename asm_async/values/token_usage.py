"""
What runs count of the tokens that they consume.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, TypeAlias, cast

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.json_values import JSONObject, normalise_json_object

TOKEN_PARTS: Mapping[str, str] = MappingProxyType(
    {
        "cache_read_tokens": "input_tokens",
        "cache_write_tokens": "input_tokens",
        "reasoning_tokens": "output_tokens",
    }
)
"""
The counts of token usage that are parts of others, and of which.
"""

TOKEN_COUNTS: tuple[str, ...] = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    *TOKEN_PARTS,
)
"""
The counts of token usage that summaries add up.
"""


def _usage(value: object, name: str) -> JSONObject:
    usage = normalise_json_object(value, name)
    for key in TOKEN_COUNTS:
        if key in usage:
            fields.count(usage[key], f"{name}[{key!r}]")
    for whole in ("input_tokens", "output_tokens"):
        parts = [part for part, its in TOKEN_PARTS.items() if its == whole]
        counts = [cast("int", usage[part]) for part in parts if part in usage]
        if sum(counts) > usage.get(whole, 0):
            raise ValidationError(
                f"{name}[{whole!r}]: expected at least {sum(counts)}, the sum of its"
                f" parts ({' and '.join(parts)}), got {usage.get(whole, 0)};"
                " asm_async.usage.token_usage_of converts a provider's report"
            )
    return usage


TokenUsage: TypeAlias = Annotated[JSONObject, _usage]
"""
Token usage whose counts are counts, and whose parts are no more than their wholes.
"""


def usage_together(known: JSONObject, more: JSONObject) -> JSONObject:
    """
    Add up two token usages; where one has a total and the other none, it is made first.

    Raises:
        ValidationError: If a sum is out of bounds; the message begins with its place.
    """
    if _has_total(known) or _has_total(more):
        known, more = _with_total(known), _with_total(more)
    return _added(known, more, "usage")


def _has_total(usage: JSONObject) -> bool:
    return _is_number(usage.get("total_tokens"))


def _with_total(usage: JSONObject) -> JSONObject:
    parts = [usage.get("input_tokens"), usage.get("output_tokens")]
    counts = [cast("int", part) for part in parts if _is_number(part)]
    if _has_total(usage) or not counts:
        return usage
    return {**usage, "total_tokens": sum(counts)}


def _added(known: JSONObject, more: JSONObject, path: str) -> JSONObject:
    merged = dict(known)
    for key, value in more.items():
        before, place = merged.get(key), f"{path}[{key!a}]"
        if _is_number(before) and _is_number(value):
            merged[key] = _sum(cast("float", before), value, place)
        elif isinstance(before, dict) and isinstance(value, dict):
            both = cast("JSONObject", before), cast("JSONObject", value)
            merged[key] = _added(*both, place)
        elif value is not None:
            merged[key] = value
    return merged


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sum(known: float, more: float, path: str) -> float:
    try:
        return known + more
    except OverflowError:
        raise ValidationError(f"{path}: the sum is too large for a float") from None
