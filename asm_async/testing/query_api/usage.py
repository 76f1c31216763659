"""
What runs consumed, added up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import SessionStoreBackend
from asm_async.testing.factories import NOON, make_run, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import Run
from asm_async.values.summaries import UsageSummary, UsageTotals

__all__ = ["TestUsage", "save_all", "totals", "used"]

_EMPTY = UsageSummary(
    run_count=0,
    total_input_tokens=0,
    total_output_tokens=0,
    total_tokens=0,
    by_provider={},
    by_model={},
)
_ASTRAL = range(0x10000, 0x110000)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


def used(name: str, input_tokens: int, output_tokens: int = 0, **fields: Any) -> Run:
    """
    Make a run that consumed so many tokens.
    """
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return make_run(id=name, token_usage=usage, **fields)


def totals(run_count: int, input_tokens: int, output_tokens: int = 0) -> UsageTotals:
    """
    Return what so many runs add up to.
    """
    return UsageTotals(
        run_count=run_count,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=input_tokens + output_tokens,
    )


async def save_all(store: SessionStore, runs: Iterable[Run]) -> None:
    """
    Save runs, several at a time.
    """
    await asyncio.gather(*map(store.save_run, runs))


@pytest.mark.usefixtures("session")
class TestUsage(QueryAPIContract):
    """
    Every run that matches is counted once, and its tokens are added exactly.
    """

    async def test_where_no_run_matches_there_is_nothing(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Not even a group: neither without any run nor where a filter leaves none.
        """
        assert await query_api.get_usage_summary() == _EMPTY
        await store.save_run(used("run_1", 1, provider="acme"))
        filters: list[dict[str, Any]] = [
            {"session_id": "ses_unknown"},
            {"agent_id": "unknown"},
            {"provider": "unknown"},
            {"until": NOON},
            {"since": NOON + timedelta(microseconds=1), "until": _LAST},
        ]
        for narrow in filters:
            found = await query_api.get_usage_summary(**narrow, bucket="day")
            assert found == _EMPTY

    async def test_runs_are_added_up_by_provider_and_by_model(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A model of two providers is one model; the groups stand in order.
        """
        shared, own = {"model": "m-1"}, {"model": "m-0"}
        await save_all(
            store,
            [
                used("run_1", 1, 10, provider="b", provider_metadata=shared),
                used("run_2", 2, 20, provider="a", provider_metadata=shared),
                used("run_3", 4, 40, provider="a", provider_metadata=own),
            ],
        )
        usage = await query_api.get_usage_summary()
        assert usage == UsageSummary(
            run_count=3,
            total_input_tokens=7,
            total_output_tokens=70,
            total_tokens=77,
            by_provider={"a": totals(2, 6, 60), "b": totals(1, 1, 10)},
            by_model={"m-0": totals(1, 4, 40), "m-1": totals(2, 3, 30)},
        )
        assert list(usage.by_provider) == ["a", "b"]
        assert list(usage.by_model) == ["m-0", "m-1"]

    async def test_what_is_not_named_is_unknown(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Runs without a provider stand beside those of one that is called so.

        What is no text that could be searched by is no model.
        """
        models: list[Any] = [None, "unknown", "", 7, ["m"], "m\0", "x" * 256]
        runs = [
            used(
                f"run_{number}",
                1,
                provider=[None, "unknown"][number % 2],
                provider_metadata={"model": model},
            )
            for number, model in enumerate(models)
        ]
        await save_all(store, runs)
        usage = await query_api.get_usage_summary()
        assert usage.by_provider == usage.by_model == {"unknown": totals(7, 7)}
        named = await query_api.get_usage_summary(provider="unknown")
        assert named.run_count == 3

    async def test_a_missing_count_adds_nothing(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        A missing total is made of input and output; a total that is given stands.
        """
        usages: list[dict[str, Any]] = [
            {},
            {"input_tokens": 1},
            {"output_tokens": 10},
            {"total_tokens": 100},
            {"input_tokens": 1, "output_tokens": 10, "total_tokens": 0},
            {"cached_tokens": 5_000, "input_tokens_details": {"input_tokens": 5_000}},
        ]
        await save_all(
            store,
            [
                make_run(id=f"run_{number}", token_usage=usage)
                for number, usage in enumerate(usages)
            ],
        )
        usage = await query_api.get_usage_summary()
        assert usage.run_count == len(usages)
        assert (usage.total_input_tokens, usage.total_output_tokens) == (2, 20)
        assert usage.total_tokens == 1 + 10 + 100

    async def test_parts_of_tokens_are_added_up(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Tokens of caches and of reasoning, for all, by provider and for the session.
        """
        parts = {"cache_read_tokens": 4, "cache_write_tokens": 2, "reasoning_tokens": 3}
        usage = {"input_tokens": 10, "output_tokens": 5, **parts}
        await save_all(
            store,
            [
                make_run(id="run_1", provider="a", token_usage=usage),
                make_run(id="run_2", provider="a", token_usage=usage),
                make_run(id="run_3", provider="b", token_usage={"input_tokens": 1}),
            ],
        )
        found = await query_api.get_usage_summary()
        stats = await query_api.get_session_stats("ses_1")
        for name, count in parts.items():
            assert getattr(found, f"total_{name}") == 2 * count
            assert getattr(found.by_provider["a"], name) == 2 * count
            assert getattr(found.by_provider["b"], name) == 0
            assert getattr(stats.token_totals, name) == 2 * count

    async def test_the_longest_names_are_told_apart(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        No index limits what a provider or a model may be called.
        """
        chance = Random(1)  # noqa: S311 - chance makes names here, no secret
        astral = ["".join(map(chr, chance.choices(_ASTRAL, k=254))) for _ in range(2)]
        provider, model = astral
        for number, last in enumerate("ab"):
            metadata = {"model": model + last}
            run = used(f"run_{number}", 1, provider=provider + last)
            await store.save_run(attrs.evolve(run, provider_metadata=metadata))
        usage = await query_api.get_usage_summary()
        assert set(usage.by_provider) == {provider + "a", provider + "b"}
        assert set(usage.by_model) == {model + "a", model + "b"}

    async def test_sums_do_not_overflow(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Counts at their bound add up past 2**63, exactly, in every group.
        """
        count = 1_030
        model = {"model": "m"}
        await save_all(
            store,
            (
                used(
                    f"run_{number}",
                    MAX_COUNT,
                    MAX_COUNT - 1,
                    provider="p",
                    provider_metadata=model,
                )
                for number in range(count)
            ),
        )
        expected = totals(count, count * MAX_COUNT, count * (MAX_COUNT - 1))
        usage = await query_api.get_usage_summary(bucket="hour")
        assert usage.total_input_tokens == expected.input_tokens > 2**63
        assert usage.total_output_tokens == expected.output_tokens > 2**63
        assert usage.total_tokens == expected.total_tokens > 2**64
        assert usage.by_provider == {"p": expected}
        assert usage.by_model == {"m": expected}
        assert usage.by_bucket == {NOON: expected}

    async def test_each_filter_narrows(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        *since* is inclusive, *until* exclusive; several filters must all match.
        """
        later = NOON + timedelta(hours=1)
        await store.save_session(make_session(id="ses_2", agent_id="other"))
        await save_all(
            store,
            [
                used("run_1", 1, provider="a"),
                used("run_2", 2, provider="b", started_at=later),
                used("run_3", 4, provider="a", session_id="ses_2", started_at=later),
                used("run_4", 8, session_id="ses_2"),
            ],
        )
        in_paris = later.astimezone(timezone(timedelta(hours=1)))
        expected: list[tuple[dict[str, Any], int]] = [
            ({"session_id": "ses_1"}, 1 + 2),
            ({"agent_id": "other"}, 4 + 8),
            ({"provider": "a"}, 1 + 4),
            ({"since": NOON}, 1 + 2 + 4 + 8),
            ({"since": in_paris}, 2 + 4),
            ({"until": in_paris}, 1 + 8),
            ({"since": NOON, "until": later, "agent_id": "assistant"}, 1),
            ({"session_id": "ses_2", "agent_id": "assistant"}, 0),
            ({"session_id": "ses_2", "provider": "a"}, 4),
        ]
        for filters, tokens in expected:
            found = await query_api.get_usage_summary(**filters)
            assert found.total_input_tokens == tokens, filters

    async def test_a_run_counts_as_it_was_saved_last(
        self, store: SessionStore, query_api: QueryAPI
    ) -> None:
        """
        Nothing of what it said before is left in any group.
        """
        await store.save_run(
            used("run_1", 9, provider="a", provider_metadata={"model": "m"})
        )
        await store.save_run(used("run_1", 1, provider="b", started_at=_LAST))
        usage = await query_api.get_usage_summary(bucket="month")
        assert usage.run_count == usage.total_tokens == 1
        assert usage.by_provider == {"b": totals(1, 1)}
        assert usage.by_model == {"unknown": totals(1, 1)}
        assert list(usage.by_bucket) == [datetime(9999, 12, 1, tzinfo=UTC)]

    async def test_runs_count_until_they_are_removed_for_ever(
        self, store: SessionStore, query_api: QueryAPI, backend: SessionStoreBackend
    ) -> None:
        """
        Soft deletion hides no run; hard deletion takes it away.
        """
        await store.save_run(used("run_1", 1))
        await backend.soft_delete("ses_1")
        assert (await query_api.get_usage_summary()).run_count == 1
        await store.delete_session("ses_1")
        assert await query_api.get_usage_summary() == _EMPTY

    async def test_wrong_arguments_are_refused(self, query_api: QueryAPI) -> None:
        """
        The message begins with the name of what is wrong.
        """
        naive = datetime(2026, 1, 2)  # noqa: DTZ001 - a naive one is wanted
        wrong: list[tuple[str, Any]] = [
            *(
                (name, value)
                for name in ("session_id", "agent_id", "provider")
                for value in ("", "a\0b", "\ud800", 7, ["ses_1"])
            ),
            *((name, naive) for name in ("since", "until")),
            *((name, "2026-01-02T00:00:00Z") for name in ("since", "until")),
            *(("bucket", value) for value in ("week", "", "Day", 1, ["day"], True)),
        ]
        for name, value in wrong:
            with pytest.raises(ValidationError, match=f"^{name}: "):
                await query_api.get_usage_summary(**{name: value})
