"""
LangGraph's conformance suite, as its package has it, over each database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.serde.types import (
    _DeltaSnapshot as DeltaSnapshot,
)

from asm_async import Ports
from asm_async.integrations.langgraph import AsmCheckpointSaver
from tests.frameworks.langgraph.chats import Writer, thread


async def test_all_of_the_suite_passes(ports: Ports) -> None:
    """
    All 81 tests of the suite pass, and none is left out since a method is missing.
    """

    @checkpointer_test(name="AsmCheckpointSaver")
    async def saver() -> AsyncGenerator[AsmCheckpointSaver]:
        yield AsmCheckpointSaver(ports)

    report = await validate(saver)
    results = list(report.results.values())

    assert [failure for each in results for failure in each.failures or ()] == []
    assert all(each.detected and each.passed for each in results)
    assert sum(each.tests_passed for each in results) == 81


async def written(
    saver: AsmCheckpointSaver, snapshots: dict[int, Any], steps: int
) -> Writer:
    """
    Put checkpoints whose channel has a value at some steps, and a write at each.
    """
    writer = Writer(saver, "t")
    for step in range(steps):
        values = {"ch": snapshots[step]} if step in snapshots else {}
        await writer.put(values)
        await saver.aput_writes(writer.config, [("ch", step), ("other", "x")], "task")
    return writer


async def history(
    saver: AsmCheckpointSaver, writer: Writer, channel: str = "ch"
) -> tuple[list[Any], Any]:
    """
    Return the values that were written to a channel, and what they begin with.
    """
    found = await saver.aget_delta_channel_history(
        config=writer.config, channels=[channel]
    )
    return [value for _, _, value in found[channel]["writes"]], found[channel].get(
        "seed"
    )


async def test_a_delta_channel_is_made_of_the_writes_since_its_last_value(
    ports: Ports,
) -> None:
    """
    The nearest value comes with the writes on it and behind it, the oldest first.

    What is pending on the checkpoint itself is none of it.
    """
    saver = AsmCheckpointSaver(ports)
    writer = await written(saver, {0: DeltaSnapshot("a"), 2: DeltaSnapshot("b")}, 6)

    assert await history(saver, writer) == ([2, 3, 4], DeltaSnapshot("b"))


async def test_a_plain_value_is_a_beginning_too(ports: Ports) -> None:
    """
    A list of a channel that was none of deltas once is what its writes are added to.
    """
    saver = AsmCheckpointSaver(ports)
    values = [{"n": n, "text": "x" * 200} for n in range(9)]
    writer = await written(saver, {1: values}, 4)

    assert await history(saver, writer) == ([1, 2], values)


async def test_without_a_value_all_writes_are_its_history(ports: Ports) -> None:
    """
    The walk ends at the first checkpoint, and there is no beginning.
    """
    saver = AsmCheckpointSaver(ports)
    writer = await written(saver, {}, 120)
    found = await saver.aget_delta_channel_history(
        config=writer.config, channels=["ch", "other"]
    )

    assert await history(saver, writer) == (list(range(119)), None)
    assert "seed" not in found["ch"]
    assert len(found["other"]["writes"]) == 119


async def test_another_branch_is_no_part_of_the_history(ports: Ports) -> None:
    """
    The walk goes from parent to parent, whatever stands between them.
    """
    saver = AsmCheckpointSaver(ports)
    writer = await written(saver, {0: DeltaSnapshot("a")}, 3)
    fork = writer.config
    await writer.put({})
    await saver.aput_writes(writer.config, [("ch", "other branch")], "task")
    writer.config = fork
    await writer.put({})

    assert await history(saver, writer) == ([0, 1, 2], DeltaSnapshot("a"))


async def test_no_channels_have_no_history(ports: Ports) -> None:
    """
    Nothing is asked for, and nothing is read; an unknown thread has none either.
    """
    saver = AsmCheckpointSaver(ports)
    config = thread("unknown")

    assert await saver.aget_delta_channel_history(config=config, channels=[]) == {}
    found = await saver.aget_delta_channel_history(config=config, channels=["ch"])
    assert found == {"ch": {"writes": []}}
