"""
What charts show: tokens, cost and latency, by what tells runs apart.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from asm_async import RunStatus
from asm_async.testing.factories import NOON, make_run, make_session
from tests.integration.console.serving import Console


async def store_runs(console: Console) -> None:
    """
    Store two sessions of two users with runs of two models on two days.
    """
    store = console.ports.store
    for number, user in enumerate(("ada", None)):
        await store.save_session(
            make_session(id=f"s{number}", user_id=user, agent_id=f"agent{number}")
        )
        for day in range(2):
            for seconds in (1, 2, 9):
                begun = NOON + timedelta(days=day, seconds=seconds)
                run = make_run(
                    id=f"r{number}-{day}-{seconds}",
                    session_id=f"s{number}",
                    status=RunStatus.RUNNING,
                    started_at=begun,
                    provider="p",
                    provider_metadata={"model": f"m{day}"},
                    token_usage={"input_tokens": 10, "output_tokens": seconds},
                    cost_usd=None if seconds == 9 else 0.5,
                )
                await store.save_run(
                    run.complete(at=begun + timedelta(seconds=seconds))
                )
    await store.save_run(make_run(id="open", session_id="s0", status=RunStatus.RUNNING))


async def test_tokens_and_cost_are_added_up_together(console: Console) -> None:
    """
    Each group has its runs, tokens, cost, and how many have no known cost.
    """
    await store_runs(console)

    found = await console.get("usage", group_by="model", bucket="day")

    assert found["total"]["runs"] == 13
    assert found["total"]["unpriced_runs"] == 5
    assert found["total"]["cost_usd"] == pytest.approx(4.0)
    first = found["groups"][0]
    assert first["key"] == {"model": "m0"}
    assert first["bucket"] == "2026-01-02T00:00:00.000000+00:00"
    assert (first["runs"], first["unpriced_runs"]) == (6, 2)
    assert first["cost_usd"] == pytest.approx(2.0)
    assert first["tokens"] == {
        "input": 60,
        "output": 24,
        "total": 84,
        "cache_read": 0,
        "cache_write": 0,
        "reasoning": 0,
    }


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"group_by": "user"}, [{"user": "ada"}, {"user": None}]),
        ({"group_by": "agent"}, [{"agent": "agent0"}, {"agent": "agent1"}]),
        ({"group_by": "agent", "user_id": "ada"}, [{"agent": "agent0"}]),
        (
            {"group_by": ["agent", "model"], "since": "2026-01-03T00:00:00Z"},
            [
                {"agent": "agent0", "model": "m1"},
                {"agent": "agent1", "model": "m1"},
            ],
        ),
        (
            {"group_by": "agent", "until": "2026-01-02T12:00:01Z", "provider": "p"},
            [],
        ),
    ],
    ids=str,
)
async def test_sums_are_grouped_and_narrowed(
    console: Console, asked: dict[str, Any], keys: list[dict[str, str | None]]
) -> None:
    """
    Groups are those asked for, of the runs that match the filters.
    """
    await store_runs(console)

    found = await console.get("usage", **asked)

    assert [group["key"] for group in found["groups"]] == keys


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        (None, {None: (12, 2_000, 9_000)}),
        ("model", {"m0": (6, 2_000, 9_000), "m1": (6, 2_000, 9_000)}),
        ("provider", {"p": (12, 2_000, 9_000)}),
        ("day", {"2026-01-02": (6, 2_000, 9_000), "2026-01-03": (6, 2_000, 9_000)}),
        ("user", {"ada": (6, 2_000, 9_000)}),
        ("agent", {"agent0": (6, 2_000, 9_000), "agent1": (6, 2_000, 9_000)}),
    ],
    ids=str,
)
async def test_latency_is_that_of_ended_runs(
    console: Console,
    group_by: str | None,
    expected: dict[str | None, tuple[int, float, float]],
) -> None:
    """
    How long runs took is told by group; one that still runs has no time yet.
    """
    await store_runs(console)

    asked = {} if group_by is None else {"group_by": group_by}
    found = await console.get("latency", **asked)

    assert {
        group["key"]: (group["runs"], group["median_ms"], group["p95_ms"])
        for group in found["groups"]
    } == expected
    assert not found["is_sample"]


async def test_latency_of_very_many_runs_is_that_of_the_latest(
    console: Console,
) -> None:
    """
    Of a user with more than 200 runs the latest are taken, and that is said.
    """
    await console.ports.store.save_session(make_session(user_id="ada"))
    for number in range(205):
        begun = NOON + timedelta(seconds=number)
        took = timedelta(seconds=1 if number >= 5 else 100)
        run = make_run(id=f"r{number}", status=RunStatus.RUNNING, started_at=begun)
        await console.ports.store.save_run(run.complete(at=begun + took))

    found = await console.get("latency", group_by="user")

    assert found["is_sample"]
    (group,) = found["groups"]
    assert (group["runs"], group["max_ms"]) == (200, 1_000)
