"""
The campaign of failovers finds what it looks for.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from asm_async.testing.history import HistoryWriter
from tests.failover import report
from tests.failover.durations import Pulse, answers, longest_overrun, longest_stall
from tests.failover.followers import Given
from tests.failover.verdict import compare

EVENTS: list[Given] = [("ses_1", number, f"evt_{number}") for number in range(1, 5)]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (EVENTS[:2] + EVENTS[3:], "it missed 1"),
        (EVENTS + EVENTS[-1:], "1 came twice"),
        ([EVENTS[1], EVENTS[0], *EVENTS[2:]], "the first that differs"),
        ([*EVENTS[:3], ("ses_1", 4, "evt_ghost")], "evt_ghost"),
    ],
)
def test_a_follower_that_was_given_anything_else_is_named(
    given: Sequence[Given], told: str
) -> None:
    """
    Missed, doubled, disordered, or of another history.
    """
    compare("one", EVENTS, EVENTS)
    with pytest.raises(AssertionError, match=r"follower 'one'") as caught:
        compare("one", given, EVENTS)
    assert told in str(caught.value)


async def write_calls(path: Path, *times: float) -> None:
    """
    Write a history of calls that begin and end at these seconds, in turn.
    """
    moments = iter(times)
    with HistoryWriter(path, clock=lambda: int(next(moments) * 1e9)) as history:
        for _ in range(len(times) // 2):
            await history.record("append_event", asyncio.sleep(0))


async def test_a_call_beyond_its_timeout_is_found(tmp_path: Path) -> None:
    """
    By how much the worst one exceeds it, and how long nobody was answered.
    """
    path = tmp_path / "one.jsonl"
    await write_calls(path, 1.0, 1.5, 2.0, 7.0, 7.0, 7.5)
    assert longest_overrun(path, 3.0, Pulse()) == pytest.approx(2.0)
    assert longest_overrun(path, 6.0, Pulse()) == 0
    assert longest_stall(answers([path]), 1.0, 8.0) == pytest.approx(5.5)


def test_figures_go_to_the_page_and_replace_those_of_the_same_cluster(
    tmp_path: Path,
) -> None:
    """
    What was lost, who was told, and how long nobody was answered.
    """
    results, page = tmp_path / "failover.json", tmp_path / "page.md"
    page.write_text("a\n<!-- failovers: begin -->\n<!-- failovers: end -->\nb\n")
    common = {"violation": None, "acknowledged": 9, "refused": 0, "unknown": 0}
    common |= {"seconds": 60, "seed": 1}
    kills = {"acts": {"kills": 2}, "stalls": {"kills": [20.0, 22.0]}, "overrun": 0.1}
    losses = {"acts": {"losses": 1}, "lost": [7], "noticed_by_followers": 8}
    losses |= {"noticed_at_checkpoints": 24, "seconds_to_notice": 2.0}
    report.write([{"cluster": "two", **common, **kills}], results, page)
    rows = [{"cluster": name, **common, **losses} for name in ("two", "other")]
    report.write(rows[1:], results, page)
    assert "| 2 | 21.0 s | 22.0 s |" in page.read_text()
    report.write(rows[:1], results, page)

    assert [row["cluster"] for row in json.loads(results.read_text())] == [
        "other",
        "two",
    ]
    text = page.read_text()
    assert "22.0 s" not in text
    assert "have lost 7 acknowledged events" in text
    assert text.startswith("a\n")
    assert text.endswith("\nb\n")
