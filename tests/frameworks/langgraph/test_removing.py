"""
How checkpoints and threads go, and what stays while others write.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asm_async import Ports
from asm_async.errors import ConflictError, SessionDeletedError, SessionNotFoundError
from asm_async.integrations.langgraph import AsmCheckpointSaver, sweeping
from asm_async.transcripts import read_transcript
from tests.frameworks.langgraph.chats import (
    TEXT,
    Writer,
    chat_with,
    say,
    texts_of,
    thread,
    values_of,
)

SCOPE = "langgraph/t"


def elements(*numbers: int) -> list[Any]:
    """
    Return elements that are worth an item of their own.
    """
    return [{"n": n, "text": TEXT} for n in numbers]


async def keys_of(ports: Ports, prefix: str = "", scope: str = SCOPE) -> list[str]:
    """
    Return the keys of a thread's items.
    """
    return [item.key for item in await ports.state.list_items(scope, prefix=prefix)]


async def test_a_deleted_thread_leaves_nothing(ports: Ports) -> None:
    """
    Its items, its session and its events are gone, and it can begin anew.
    """
    saver = AsmCheckpointSaver(ports)
    await say(chat_with(saver), "t", "hello")
    await say(chat_with(saver), "other", "hello")
    await saver.adelete_thread("t")

    assert await keys_of(ports) == []
    with pytest.raises(SessionNotFoundError):
        await ports.store.get_session(SCOPE)
    assert texts_of(await say(chat_with(saver), "t", "again"))[0] == "again"
    assert await saver.aget_tuple(thread("other")) is not None


async def test_a_saver_notices_that_another_has_deleted_a_thread(ports: Ports) -> None:
    """
    What it believed to be stored is written again.
    """
    first = Writer(AsmCheckpointSaver(ports), "t")
    await first.put({"list": elements(*range(8)), "large": TEXT * 9})
    await AsmCheckpointSaver(ports).adelete_thread("t")
    values = {"list": elements(*range(9)), "large": TEXT * 9}
    await first.put(values, ["list"])

    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == values


@pytest.mark.parametrize("strategy", ["keep_latest", "delete"])
async def test_a_saver_notices_that_another_has_pruned_a_thread(
    ports: Ports, strategy: str
) -> None:
    """
    A put on a checkpoint of the past brings back what was swept since it was read.
    """
    first = Writer(AsmCheckpointSaver(ports), "t")
    await first.put({"list": elements(*range(8)), "large": TEXT * 9})
    past, versions = first.config, dict(first.versions)
    await first.put({"list": [], "large": ""})
    await AsmCheckpointSaver(ports).aprune(["t"], strategy=strategy)
    assert await keys_of(ports, "e/") == []
    first.config, first.versions = past, versions
    values = {"list": elements(*range(9)), "large": TEXT * 9}
    await first.put(values, ["list"])

    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == values


async def test_pruning_frees_all_but_the_latest(ports: Ports) -> None:
    """
    What the latest checkpoint names stays, and nothing else; the log stays whole.
    """
    saver = AsmCheckpointSaver(ports)
    chat = chat_with(saver)
    for number in range(5):
        await say(chat, "t", f"{number} {TEXT}")
    before = await read_transcript(ports.store, SCOPE)
    await saver.aprune(["t"])
    state = await chat.aget_state(thread("t"))

    assert len(state.values["messages"]) == 10
    assert len(await keys_of(ports, "e/")) == 10
    assert len([key for key in await keys_of(ports, "c/") if key.count("/") == 3]) == 1
    after = await read_transcript(ports.store, SCOPE)
    assert len(after.messages) == len(before.messages) == 10
    assert len((await say(chat, "t", "more"))["messages"]) == 12


async def test_a_call_of_a_subgraph_goes_with_where_it_was_called(
    ports: Ports,
) -> None:
    """
    The namespace of a single call is removed when its caller's checkpoint is.
    """
    saver = AsmCheckpointSaver(ports)
    root = Writer(saver, "t")
    await root.put({"n": 0})
    caller = root.config["configurable"]["checkpoint_id"]
    called = Writer(saver, "t")
    for namespace in ("call:1", "lasting"):
        called.config = thread("t", checkpoint_ns=namespace)
        await called.put({"n": 1}, metadata={"parents": {"": caller}})
    await root.put({"n": 1})
    await saver.aprune(["t"])

    assert await keys_of(ports, "h/") == ["h/", "h/lasting"]
    assert len(await keys_of(ports, "c/")) == 2


async def test_what_a_delta_channel_is_made_of_is_kept(ports: Ports) -> None:
    """
    Pruning keeps the ancestors up to the last value of each delta channel.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    for step in range(8):
        values = {"ch": [step]} if step in {1, 4} else {}
        counted = {} if step in {1, 4} else {"ch": (1, 1)}
        metadata = {"counters_since_delta_snapshot": counted}
        await writer.put(values, metadata=metadata)
        await saver.aput_writes(writer.config, [("ch", step)], "task")
    await saver.aprune(["t"])
    found = await saver.aget_delta_channel_history(config=thread("t"), channels=["ch"])

    assert found["ch"].get("seed") == [4]
    assert [value for _, _, value in found["ch"]["writes"]] == [4, 5, 6]
    assert len([key for key in await keys_of(ports, "c/") if key.count("/") == 3]) == 4


async def test_pruning_beside_running_puts_loses_nothing(ports: Ports) -> None:
    """
    Two writers put and fork while a third prunes: every latest checkpoint is whole.

    Lists shrink and grow again, so that what was swept is wanted again at once.
    """
    writers = [Writer(AsmCheckpointSaver(ports), "t") for _ in range(2)]
    pruner = AsmCheckpointSaver(ports)
    stop = asyncio.Event()

    async def put(writer: Writer) -> None:
        for turn in range(60):
            numbers = range(4) if turn % 3 else range(10)
            values = {"list": elements(*numbers), "large": TEXT * (20 + turn % 2)}
            config = await writer.put(values)
            # Another may have pruned it meanwhile, but never a part of it.
            found = await AsmCheckpointSaver(ports).aget_tuple(config)
            assert found is None or found.checkpoint["channel_values"] == values
            await AsmCheckpointSaver(ports).aget_tuple(thread("t"))

    async def prune() -> None:
        while not stop.is_set():
            await pruner.aprune(["t"])
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        pruning = group.create_task(prune())
        await asyncio.gather(*(put(writer) for writer in writers))
        stop.set()
        await pruning
    await pruner.aprune(["t"])

    assert len(await keys_of(ports, "v/")) <= 2
    assert len((await values_of(pruner, thread("t")))["list"]) in {4, 10}


async def test_a_put_between_a_look_and_a_sweep_is_not_swept(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    What a put relies on that comes after the sweeper has looked is not removed.
    """
    writer = Writer(AsmCheckpointSaver(ports), "t")
    await writer.put({"list": elements(*range(8))})
    past, versions = writer.config, dict(writer.versions)
    await writer.put({"list": []})
    remove = sweeping.Sweeper.remove
    values = {"list": elements(*range(9))}
    is_first = True

    async def put_first(self: sweeping.Sweeper, *arguments: Any) -> Any:
        nonlocal is_first
        if is_first:
            is_first = False
            writer.config, writer.versions = past, versions
            await writer.put(values)
        return await remove(self, *arguments)

    monkeypatch.setattr(sweeping.Sweeper, "remove", put_first)
    await AsmCheckpointSaver(ports).aprune(["t"])

    assert not is_first
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == values


async def test_a_run_s_checkpoints_go_and_the_latest_moves_back(ports: Ports) -> None:
    """
    Without a run's checkpoints, the latest is the last that another has put.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    await writer.put({"list": elements(*range(6))}, metadata={"run_id": "one"})
    for count in range(7, 9):
        values = {"list": elements(*range(count))}
        await writer.put(values, metadata={"run_id": "two"})
    await saver.adelete_for_runs(["two", "unknown"])

    expected = {"list": elements(*range(6))}
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == expected
    assert len(await keys_of(ports, "e/")) == 6
    await saver.adelete_for_runs(["one"])
    assert await saver.aget_tuple(thread("t")) is None
    assert await keys_of(ports) == ["epoch", "namespaces"]
    await writer.put({"list": elements(*range(6))})
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == expected


async def test_a_run_that_goes_on_can_be_removed_again(ports: Ports) -> None:
    """
    What a run puts after its checkpoints were removed is found by the next removal.

    Nothing is swept by the first, since no value has an item of its own.
    """
    saver, other = AsmCheckpointSaver(ports), AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    for run_id in ("one", "two", "one"):
        await writer.put({"n": 1}, metadata={"run_id": run_id})
        if run_id == "two":
            await other.adelete_for_runs(["one"])
    await other.adelete_for_runs(["one"])

    listed = [each async for each in saver.alist(thread("t"))]
    assert [each.metadata["run_id"] for each in listed] == ["two"]
    assert await keys_of(ports, scope="langgraph.runs/one") == []


async def test_a_thread_that_cannot_be_changed_keeps_no_other_from_it(
    ports: Ports,
) -> None:
    """
    What a soft-deleted session refuses is said once it is done with all other threads.
    """
    saver = AsmCheckpointSaver(ports)
    for name in ("t", "other"):
        writer = Writer(saver, name)
        for run_id in ("one", "two", "three"):
            values = {"list": elements(*range(len(run_id)))}
            await writer.put(values, metadata={"run_id": run_id})
    await ports.maintenance.soft_delete_session(SCOPE)
    with pytest.raises(SessionDeletedError):
        await saver.adelete_for_runs(["one", "two"])
    with pytest.raises(SessionDeletedError):
        await saver.aprune(["t", "other"])

    (left,) = [each async for each in saver.alist(thread("other"))]
    assert left.metadata["run_id"] == "three"
    await ports.maintenance.restore_session(SCOPE)
    await saver.adelete_for_runs(["one", "two"])
    (left,) = [each async for each in saver.alist(thread("t"))]
    assert left.metadata["run_id"] == "three"


async def test_a_copy_goes_its_own_way(ports: Ports) -> None:
    """
    A copied thread has all checkpoints, runs and events, and then its own.
    """
    saver = AsmCheckpointSaver(ports)
    chat = chat_with(saver)
    config = thread("t", run_id="run")
    await chat.ainvoke({"messages": [("user", "one")]}, config)
    await saver.acopy_thread("t", "copy")
    await say(chat, "copy", "two")
    await say(chat, "t", "three")

    copied = await chat.aget_state(thread("copy"))
    assert texts_of(copied.values)[::2] == ["one", "two"]
    transcript = await read_transcript(ports.store, "langgraph/copy")
    assert [m.content for m in transcript.messages][::2] == ["one", "two"]
    threads = {
        each.config["configurable"]["thread_id"] async for each in saver.alist(None)
    }
    assert threads == {"t", "copy"}
    with pytest.raises(ConflictError):
        await saver.acopy_thread("copy", "t")
    await saver.adelete_for_runs(["run"])
    assert len([each async for each in saver.alist(thread("copy"))]) == 3


async def test_what_belongs_to_a_user_can_be_erased(ports: Ports) -> None:
    """
    To erase a session erases its thread.
    """
    saver = AsmCheckpointSaver(ports)
    config = thread("t", user_id="ann")
    await chat_with(saver).ainvoke({"messages": [("user", "hi")]}, config)
    await ports.maintenance.erase(user_id="ann")

    assert await saver.aget_tuple(thread("t")) is None
    assert await keys_of(ports) == []
    assert len((await say(chat_with(saver), "t", "again"))["messages"]) == 2
