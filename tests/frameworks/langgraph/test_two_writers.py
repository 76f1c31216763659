"""
Two turns of one thread at the same time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from asm_async import Ports
from asm_async.integrations.langgraph import AsmCheckpointSaver, StaleCheckpointError
from asm_async.testing.concurrency import race
from tests.frameworks.langgraph.chats import (
    Writer,
    chat_with,
    say,
    texts_of,
    thread,
    values_of,
)

TRIALS = 25


async def test_one_of_two_turns_is_refused_and_none_is_lost(ports: Ports) -> None:
    """
    Of two writers of a thread one is refused each time, and what was accepted stays.

    They share nothing but the database, as two processes do.
    """
    chats = [chat_with(AsmCheckpointSaver(ports, on_fork="refuse")) for _ in range(2)]
    accepted: list[str] = []

    async def take_turn(chat: Any, text: str) -> None:
        await say(chat, "t", text)
        accepted.append(text)

    await say(chats[0], "t", "hello")
    for trial in range(TRIALS):
        outcomes = await race(
            take_turn(chat, f"{trial} of {writer}") for writer, chat in enumerate(chats)
        )
        refused = [isinstance(each, StaleCheckpointError) for each in outcomes]
        # Either may have begun when the other had ended.
        assert refused.count(True) <= 1
    state = (await chats[0].aget_state(thread("t"))).values

    # One that was refused half-way through has left its question.
    assert [text for text in texts_of(state) if text in accepted] == accepted


async def test_the_error_says_where_the_thread_is(ports: Ports) -> None:
    """
    The refused writer is told its checkpoint and the latest one.
    """
    savers = [AsmCheckpointSaver(ports, on_fork="refuse") for _ in range(2)]
    first, second = (Writer(saver, "t") for saver in savers)
    await first.put({"n": 0}, metadata={"source": "input"})
    base = first.config["configurable"]["checkpoint_id"]
    for saver in savers:
        await saver.aget_tuple(thread("t"))
    second.config, second.versions = first.config, dict(first.versions)
    await first.put({"n": 1})
    with pytest.raises(StaleCheckpointError) as refused:
        await second.put({"n": 2})

    error = refused.value
    latest = first.config["configurable"]["checkpoint_id"]
    assert (error.thread_id, error.parent, error.latest) == ("t", base, latest)
    assert await values_of(savers[1], thread("t")) == {"n": 1}


class ReadingTogether(AsmCheckpointSaver):
    """
    A saver whose first read waits until all of them have read.
    """

    all_have_read: asyncio.Barrier | None = None

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """
        Read, and wait for the others the first time.
        """
        found = await super().aget_tuple(config)
        barrier, self.all_have_read = self.all_have_read, None
        if barrier is not None:
            await barrier.wait()
        return found


async def test_two_first_turns_are_no_exception(ports: Ports) -> None:
    """
    Of two runs that begin a thread, one is refused.
    """
    savers = [ReadingTogether(ports, on_fork="refuse") for _ in range(2)]
    barrier = asyncio.Barrier(len(savers))
    for saver in savers:
        saver.all_have_read = barrier
    chats = [chat_with(saver) for saver in savers]
    outcomes = await race(say(chat, "t", "hello") for chat in chats)

    assert [isinstance(each, StaleCheckpointError) for each in outcomes].count(
        True
    ) == 1


async def test_a_refused_turn_may_be_repeated(ports: Ports) -> None:
    """
    Who is refused reads again, and goes on.
    """
    saver = AsmCheckpointSaver(ports, on_fork="refuse")
    other = AsmCheckpointSaver(ports, on_fork="refuse")
    await say(chat_with(saver), "t", "one")
    await say(chat_with(other), "t", "two")
    await say(chat_with(saver), "t", "three")
    state = await chat_with(other).aget_state(thread("t"))

    assert texts_of(state.values)[::2] == ["one", "two", "three"]


async def test_a_branch_on_purpose_is_never_refused(ports: Ports) -> None:
    """
    Who names a checkpoint of the past may go another way from it.
    """
    saver = AsmCheckpointSaver(ports, on_fork="refuse")
    chat = chat_with(saver)
    for text in ("one", "two"):
        await say(chat, "t", text)
    past = [
        each
        async for each in chat.aget_state_history(thread("t"))
        if len(each.values.get("messages", ())) == 2
    ]
    await chat.ainvoke({"messages": [("user", "another")]}, past[0].config)
    state = await chat.aget_state(thread("t"))

    assert texts_of(state.values)[::2] == ["one", "another"]


async def test_the_same_checkpoint_may_be_put_again(ports: Ports) -> None:
    """
    A put whose answer was lost is repeated, and is not taken for another writer's.
    """
    saver = AsmCheckpointSaver(ports, on_fork="refuse")
    writer = Writer(saver, "t")
    await writer.put({"n": 0}, metadata={"source": "input"})
    parent = writer.config
    await saver.aget_tuple(thread("t"))
    for _ in range(2):
        writer.config = parent
        await writer.put({"n": 1}, id="9")

    assert await values_of(saver, thread("t")) == {"n": 1}


async def test_unless_asked_a_thread_branches(ports: Ports) -> None:
    """
    By default both turns are accepted, and the last of them is seen.
    """
    chats = [chat_with(AsmCheckpointSaver(ports)) for _ in range(2)]
    await say(chats[0], "t", "hello")
    outcomes = await race(say(chat, "t", "more") for chat in chats)

    assert not [each for each in outcomes if isinstance(each, Exception)]
