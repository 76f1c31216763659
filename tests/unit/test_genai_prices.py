from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest

from asm_async.errors import ValidationError
from asm_async.integrations.genai_prices import GenAIPrices
from asm_async.memory import InMemoryDatabase, InMemoryQueryAPI, InMemorySessionStore
from asm_async.testing.factories import make_run, make_session
from asm_async.values.token_price import TokenPrice

# What was charged then is history, which no later price list changes.
THEN = datetime(2025, 5, 1, tzinfo=UTC)
WITHOUT_THE_LIBRARY = """
import sys

sys.modules["genai_prices"] = None
from asm_async.errors import MissingDependencyError

try:
    import asm_async.integrations.genai_prices
except MissingDependencyError as error:
    print(error, isinstance(error, ImportError))
"""


def price(
    read: float, written: float, cached: float | None = None, kept: float | None = None
) -> TokenPrice:
    """
    Make a price for a million tokens; those that are *kept* are written to the cache.
    """
    return TokenPrice(
        input_usd_per_million=read,
        output_usd_per_million=written,
        cache_read_usd_per_million=cached,
        cache_write_usd_per_million=kept,
    )


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openai", "gpt-4o", price(2.5, 10, 1.25)),
        ("openai", "gpt-4o-2024-08-06", price(2.5, 10, 1.25)),
        ("OpenAI", "GPT-4o", price(2.5, 10, 1.25)),
        (None, "gpt-4o", price(2.5, 10, 1.25)),
        ("openai", "text-embedding-3-small", price(0.02, 0)),
        ("openai", "whisper-1", None),
        ("openai", "no-model-of-this-name", None),
        ("no provider of this name", "gpt-4o", None),
        (None, "no-model-of-this-name", None),
        ("openai", None, None),
        (None, None, None),
        ("\U0001f600", "a b\n" * 60, None),
    ],
)
def test_prices_are_those_of_the_list(
    provider: str | None, model: str | None, expected: TokenPrice | None
) -> None:
    """
    Names are understood as the library does; what it has no price for has none.
    """
    assert GenAIPrices(at=THEN)(provider, model) == expected


def test_the_price_is_that_of_the_given_time() -> None:
    """
    On 10 June 2025 one model became cheaper; whose day that is, UTC decides.
    """
    change = datetime(2025, 6, 10, tzinfo=UTC)
    behind_utc = change.astimezone(timezone(timedelta(hours=-12)))
    before, after = change - timedelta(microseconds=1), behind_utc

    assert GenAIPrices(at=before)("openai", "o3") == price(10, 40, 0.5)
    assert GenAIPrices(at=after)("openai", "o3") == price(2, 8, 0.5)
    assert GenAIPrices()("openai", "o3") is not None


def test_of_prices_that_rise_with_length_the_lowest_is_given() -> None:
    """
    A run does not tell how long its requests were: they are taken for short ones.
    """
    at = datetime(2026, 1, 1, tzinfo=UTC)

    assert GenAIPrices(at=at)("google", "gemini-2.5-pro") == price(1.25, 10, 0.125)


def test_a_time_without_a_zone_is_refused() -> None:
    """
    A naive time names no moment.
    """
    with pytest.raises(ValidationError, match=r"^at: .* is naive"):
        GenAIPrices(at=datetime(2026, 1, 1))  # noqa: DTZ001 - a naive one is wanted


def test_cached_tokens_have_prices_of_their_own() -> None:
    """
    What an agent reads from a cache is a tenth of what it reads anew, or less.
    """
    found = GenAIPrices(at=datetime(2026, 1, 1, tzinfo=UTC))(
        "anthropic", "claude-sonnet-4-5"
    )

    assert found is not None
    assert found == price(3, 15, 0.3, 3.75)
    assert found.cost_of(100_000, 1_000, cache_read_tokens=95_000) == 0.0585


async def test_summaries_take_it_as_their_lookup() -> None:
    """
    What the list tells is computed, what it does not is counted as unmapped.
    """
    database = InMemoryDatabase()
    store = InMemorySessionStore(database)
    await store.save_session(make_session())
    usage = {"input_tokens": 2_000_000, "output_tokens": 1_000_000}
    for name, model in (("run_1", "gpt-4o"), ("run_2", "no-model-of-this-name")):
        await store.save_run(
            make_run(
                id=name,
                provider="openai",
                provider_metadata={"model": model},
                token_usage=usage,
            )
        )
    costs = await InMemoryQueryAPI(database).get_cost_summary(
        price_lookup=GenAIPrices(at=THEN)
    )

    assert (costs.run_count, costs.unmapped_runs) == (2, 1)
    assert costs.total_cost_usd == pytest.approx(2 * 2.5 + 10)


def test_without_the_library_the_extra_is_named() -> None:
    """
    Importing the module says what to install; the rest of the package is not affected.
    """
    done = subprocess.run(  # noqa: S603 - a script of ours
        [sys.executable, "-c", WITHOUT_THE_LIBRARY],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )

    assert done.stdout == (
        "genai-prices is not installed: pip install '.[prices]' in a clone of asm_async"
        " True\n"
    )
