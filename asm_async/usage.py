"""
Token usage as providers and frameworks report it, in the counts that runs have.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, cast

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.not_json import kind_of
from asm_async.values.token_usage import TOKEN_PARTS

__all__ = ["token_usage_of"]

# Where each count stands, in snake case: within an object behind a dot. What is listed
# first counts if several are there.
_WHOLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "input_tokens": (
            "input_tokens",
            "input_tokens.total",
            "prompt_tokens",
            "prompt_token_count",
            "input_token_count",
        ),
        "output_tokens": (
            "output_tokens",
            "output_tokens.total",
            "completion_tokens",
            "candidates_token_count",
            "response_token_count",
            "output_token_count",
        ),
        "total_tokens": ("total_tokens", "total_token_count"),
    }
)
_PARTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cache_read_tokens": (
            "input_tokens_details.cached_tokens",
            "prompt_tokens_details.cached_tokens",
            "cached_content_token_count",
            "input_token_details.cache_read",
            "input_token_details.cache_read_tokens",
            "input_tokens.cache_read",
            "cached_input_tokens",
            "prompt_cache_hit_tokens",
            "cache_read_input_token_count",
            "cache_read_tokens",
        ),
        "cache_write_tokens": (
            "input_tokens_details.cache_write_tokens",
            "prompt_tokens_details.cache_write_tokens",
            "input_token_details.cache_creation",
            "input_token_details.cache_write_tokens",
            "input_tokens.cache_write",
            "cache_creation_input_token_count",
            "cache_write_tokens",
        ),
        "reasoning_tokens": (
            "output_tokens_details.reasoning_tokens",
            "completion_tokens_details.reasoning_tokens",
            "output_token_details.reasoning",
            "output_token_details.reasoning_tokens",
            "output_tokens.reasoning",
            "details.reasoning_tokens",
            "reasoning_output_token_count",
            "reasoning_tokens",
        ),
    }
)

# What is counted beside the input or the output: of which whole, and as which part.
_BESIDE: tuple[tuple[str, str, str | None], ...] = (
    ("cache_read_input_tokens", "input_tokens", "cache_read_tokens"),
    ("cache_creation_input_tokens", "input_tokens", "cache_write_tokens"),
    ("cache_write_input_tokens", "input_tokens", "cache_write_tokens"),
    ("tool_use_prompt_token_count", "input_tokens", None),
    ("thoughts_token_count", "output_tokens", "reasoning_tokens"),
)

# Whose output tokens, in the form of Chat Completions, leave the reasoning out.
_REASON_BESIDE = frozenset({"xai", "x-ai"})

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def token_usage_of(
    provider_usage: object, *, provider: str | None = None
) -> dict[str, int]:
    """
    Return what a provider reports of one request, as counts of ``Run.token_usage``.

    It supports the forms of OpenAI (Responses and Chat Completions, and who speaks like
    them), Anthropic, Gemini, Bedrock (Converse), the AI SDK, LangChain, pydantic-ai and
    Microsoft's agent framework, in snake case and camel case. Where cached tokens are
    counted beside the input (Anthropic, Bedrock), or thoughts beside the output
    (Gemini), they are added to it.

    Args:
        provider_usage: The report: a mapping, or an object of an SDK; None if there is
            none.

        provider: Who reported it, as in ``Run.provider``. Only of those who use the
            shape of another in their own way (``"xai"``) it makes a difference.

    Returns:
        ``input_tokens`` and ``output_tokens``, all that the model read and wrote;
        ``total_tokens``, of both together or as reported, if that is more; and, where
        the report has them, ``cache_read_tokens`` and ``cache_write_tokens`` as parts
        of the input and ``reasoning_tokens`` as part of the output. Empty if the shape
        is not known: then the run's cost is unknown, and summaries say so.

    Raises:
        ValidationError: If it is no report, or one of its counts is none.
    """
    report = _flat(_plain(provider_usage))
    wholes = {name: _found(report, paths) for name, paths in _WHOLES.items()}
    if wholes["input_tokens"] is None and wholes["output_tokens"] is None:
        return {}
    usage = {name: wholes[name] or 0 for name in ("input_tokens", "output_tokens")}
    parts = {name: _found(report, paths) for name, paths in _PARTS.items()}
    usage |= {name: count for name, count in parts.items() if count is not None}
    # Gateways that speak as OpenAI does have other providers' names for parts, too.
    are_parts = "prompt_tokens" in report
    for path, whole, part in _BESIDE:
        count = _found(report, (path,)) or 0
        if part is not None and path in report:
            usage[part] = count if are_parts else usage.get(part, 0) + count
        usage[whole] += 0 if are_parts else count
    for part, whole in TOKEN_PARTS.items():
        # Who reports more of a part than there is of the whole counts it beside.
        if usage.get(part, 0) > usage[whole]:
            usage[whole] += usage[part]
    total, both = wholes["total_tokens"] or 0, _sum_of(usage)
    reasoning = parts["reasoning_tokens"] or 0
    if provider in _REASON_BESIDE or both < total == both + reasoning:
        usage["output_tokens"] += reasoning
    return {**usage, "total_tokens": max(total, _sum_of(usage))}


def _sum_of(usage: Mapping[str, int]) -> int:
    return usage["input_tokens"] + usage["output_tokens"]


def _plain(usage: object) -> Mapping[str, Any]:
    """
    Return a report as a mapping, whatever class an SDK has for it.
    """
    if usage is None:
        return {}
    if isinstance(usage, Mapping):
        return cast("Mapping[str, Any]", usage)
    if dataclasses.is_dataclass(usage) and not isinstance(usage, type):
        return dataclasses.asdict(usage)
    for name in ("model_dump", "to_dict"):
        dump = getattr(usage, name, None)
        if callable(dump) and isinstance(dumped := dump(), Mapping):
            return cast("Mapping[str, Any]", dumped)
    raise ValidationError(
        f"provider_usage: expected a mapping or an SDK's object, got {kind_of(usage)}"
    )


def _flat(report: Mapping[str, Any]) -> dict[str, object]:
    """
    Return the members of a report and of the objects in it, by their paths.
    """
    return dict(_members(report, ""))


def _members(report: Mapping[str, Any], path: str) -> Iterable[tuple[str, object]]:
    for key, member in report.items():
        # A dataclass of one SDK may hold models of another.
        dump = getattr(member, "model_dump", None)
        value: object = dump() if callable(dump) else member
        place = path + _HUMP.sub("_", str(key)).lower()
        if isinstance(value, Mapping) and not path:
            yield from _members(cast("Mapping[str, Any]", value), f"{place}.")
        elif value is not None:
            yield place, value


def _found(report: Mapping[str, object], paths: Iterable[str]) -> int | None:
    for path in paths:
        if path in report:
            return fields.count(report[path], f"provider_usage[{path!r}]")
    return None
