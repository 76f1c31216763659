from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from asm_async.errors import ValidationError
from asm_async.testing.factories import make_run
from asm_async.usage import token_usage_of
from asm_async.values.run import Run


def counts(
    read: int,
    written: int,
    total: int | None = None,
    **parts: int,
) -> dict[str, int]:
    """
    Make the counts of a run.
    """
    whole = {"input_tokens": read, "output_tokens": written}
    return {**whole, **parts, "total_tokens": total or read + written}


REPORTS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "openai_responses": (
        {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
            "output_tokens": 40,
            "output_tokens_details": {"reasoning_tokens": 25},
            "total_tokens": 140,
        },
        counts(
            100, 40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=25
        ),
    ),
    "openai_chat": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 25, "audio_tokens": 0},
        },
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "anthropic": (
        {
            "input_tokens": 5,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 65,
            "cache_creation": {"ephemeral_5m_input_tokens": 30},
            "output_tokens": 40,
            "service_tier": "standard",
        },
        counts(100, 40, cache_read_tokens=65, cache_write_tokens=30),
    ),
    "gemini": (
        {
            "promptTokenCount": 90,
            "cachedContentTokenCount": 64,
            "toolUsePromptTokenCount": 10,
            "candidatesTokenCount": 15,
            "thoughtsTokenCount": 25,
            "totalTokenCount": 140,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}],
        },
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "gemini_of_python": (
        {
            "prompt_token_count": 100,
            "candidates_token_count": 40,
            "total_token_count": 140,
            "cached_content_token_count": None,
        },
        counts(100, 40),
    ),
    "bedrock": (
        {
            "inputTokens": 5,
            "outputTokens": 40,
            "totalTokens": 140,
            "cacheReadInputTokens": 65,
            "cacheWriteInputTokens": 30,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 30}],
        },
        counts(100, 40, cache_read_tokens=65, cache_write_tokens=30),
    ),
    "ai_sdk_5": (
        {
            "inputTokens": 100,
            "outputTokens": 40,
            "totalTokens": 140,
            "reasoningTokens": 25,
            "cachedInputTokens": 64,
        },
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "ai_sdk_6": (
        {
            "inputTokens": 100,
            "inputTokenDetails": {
                "noCacheTokens": 28,
                "cacheReadTokens": 64,
                "cacheWriteTokens": 8,
            },
            "outputTokens": 40,
            "outputTokenDetails": {"textTokens": 15, "reasoningTokens": 25},
            "totalTokens": 140,
        },
        counts(
            100, 40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=25
        ),
    ),
    "ai_sdk_of_providers": (
        {
            "inputTokens": {"total": 100, "noCache": 36, "cacheRead": 64},
            "outputTokens": {"total": 40, "text": 15, "reasoning": 25},
        },
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "langchain": (
        {
            "input_tokens": 100,
            "output_tokens": 40,
            "total_tokens": 140,
            "input_token_details": {"cache_read": 64, "cache_creation": 8},
            "output_token_details": {"reasoning": 25},
        },
        counts(
            100, 40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=25
        ),
    ),
    "pydantic_ai": (
        {
            "input_tokens": 100,
            "cache_write_tokens": 8,
            "cache_read_tokens": 64,
            "output_tokens": 40,
            "requests": 1,
            "tool_calls": 2,
            "details": {"reasoning_tokens": 25, "cache_read_input_tokens": 64},
        },
        counts(
            100, 40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=25
        ),
    ),
    "agent_framework": (
        {
            "input_token_count": 100,
            "output_token_count": 40,
            "total_token_count": 140,
            "cache_read_input_token_count": 64,
            "cache_creation_input_token_count": 8,
            "reasoning_output_token_count": 25,
            "anthropic.cache_read_input_tokens": 64,
        },
        counts(
            100, 40, cache_read_tokens=64, cache_write_tokens=8, reasoning_tokens=25
        ),
    ),
    "gateway": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 65},
            "cache_read_input_tokens": 65,
            "cache_creation_input_tokens": 30,
        },
        counts(100, 40, cache_read_tokens=65, cache_write_tokens=30),
    ),
    "reasoning_beside_by_its_total": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 15,
            "total_tokens": 140,
            "completion_tokens_details": {"reasoning_tokens": 25},
        },
        counts(100, 40, reasoning_tokens=25),
    ),
    "parts_beside_by_their_size": (
        {
            "prompt_tokens": 36,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens": 15,
            "completion_tokens_details": {"reasoning_tokens": 25},
        },
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "a_total_with_more": (
        {"input_tokens": 100, "output_tokens": 40, "total_tokens": 150},
        counts(100, 40, 150),
    ),
    "our_own": (
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
        counts(100, 40, cache_read_tokens=64, reasoning_tokens=25),
    ),
    "output_alone": ({"output_tokens": 40}, counts(0, 40)),
}


@pytest.mark.parametrize(("report", "expected"), REPORTS.values(), ids=REPORTS)
def test_what_providers_report_becomes_counts(
    report: dict[str, Any], expected: dict[str, int]
) -> None:
    """
    The wholes are the provider's own sums, and a run takes them.
    """
    usage = token_usage_of(report)

    assert usage == expected
    run = make_run().update_token_usage(usage)
    assert run.token_usage == expected
    assert run.total_tokens == expected["total_tokens"]


def test_a_providers_own_way_is_told_by_its_name() -> None:
    """
    Where neither the names nor the total tell.
    """
    report = {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "completion_tokens_details": {"reasoning_tokens": 10},
    }

    assert token_usage_of(report)["output_tokens"] == 30
    assert token_usage_of(report, provider="xai") == counts(
        100, 40, reasoning_tokens=10
    )


@dataclasses.dataclass
class _Dataclass:
    input_tokens: int = 3
    output_tokens: int = 4


class _Model:
    def model_dump(self) -> dict[str, Any]:
        """
        Return the members, as models of the SDKs do.
        """
        return {"input_tokens": 3, "output_tokens": 4, "server_tool_use": None}


class _Dict:
    def to_dict(self) -> dict[str, Any]:
        """
        Return the members.
        """
        return {"prompt_tokens": 3, "completion_tokens": 4}


class _Details:
    def model_dump(self) -> dict[str, Any]:
        """
        Return the members, as models in dataclasses of other SDKs do.
        """
        return {"reasoning_tokens": 2}


@dataclasses.dataclass
class _Nested:
    input_tokens: int = 3
    output_tokens: int = 4
    details: _Details = dataclasses.field(default_factory=_Details)


def test_a_model_in_a_dataclass_is_looked_into() -> None:
    """
    The parts of counts are found where a dataclass of one SDK holds models of another.
    """
    assert token_usage_of(_Nested()) == counts(3, 4, reasoning_tokens=2)


@pytest.mark.parametrize("report", [_Dataclass(), _Model(), _Dict()], ids=range(3))
def test_objects_of_sdks_are_taken_as_they_are(report: object) -> None:
    """
    Dataclasses, and what can be dumped as a mapping.
    """
    assert token_usage_of(report) == counts(3, 4)


@pytest.mark.parametrize(
    "report",
    [None, {}, {"units": 7}, {"total_tokens": 5}, {"input_tokens": None}],
    ids=range(5),
)
def test_an_unknown_shape_tells_nothing(report: Any) -> None:
    """
    So that nobody takes the run for free: its cost counts as unknown.
    """
    assert token_usage_of(report) == {}


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({"input_tokens": -1}, r"provider_usage\['input_tokens'\]: the number is not"),
        ({"input_tokens": 1.5}, r"provider_usage\['input_tokens'\]: expected a whole"),
        (
            {"promptTokens": 1, "promptTokensDetails": {"cachedTokens": "5"}},
            r"provider_usage\['prompt_tokens_details.cached_tokens'\]: expected",
        ),
        ([1], "provider_usage: expected a mapping or an SDK's object, got a list"),
        (_Dataclass, "provider_usage: expected a mapping or an SDK's object"),
    ],
    ids=range(5),
)
def test_what_is_no_report_is_refused(report: Any, message: str) -> None:
    """
    With the place of the culprit.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        token_usage_of(report)


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        (
            {"input_tokens": 5, "cache_read_tokens": 4, "cache_write_tokens": 2},
            r"token_usage\['input_tokens'\]: expected at least 6, the sum of its parts",
        ),
        (
            {"reasoning_tokens": 1},
            r"token_usage\['output_tokens'\]: expected at least 1, the sum of its",
        ),
        ({"cache_read_tokens": "1"}, r"token_usage\['cache_read_tokens'\]: expected"),
    ],
    ids=range(3),
)
def test_parts_are_no_more_than_their_whole(
    usage: dict[str, Any], message: str
) -> None:
    """
    A run refuses what was counted in another way, and names who counts in this one.
    """
    with pytest.raises(ValidationError, match=f"^{message}"):
        make_run(token_usage=usage)


def test_a_run_tells_the_parts_of_its_tokens() -> None:
    """
    Zero where nobody told.
    """
    parts = {"cache_read_tokens": 3, "cache_write_tokens": 2, "reasoning_tokens": 1}
    run = make_run(token_usage=counts(5, 1, **parts))

    def told(run: Run) -> dict[str, int]:
        return {name: getattr(run, name) for name in parts}

    assert told(run) == parts
    assert set(told(make_run()).values()) == {0}
