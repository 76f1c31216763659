"""
What tasks have written is committed with the checkpoint that is put next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from asm_async import Ports, Session, StateItem
from asm_async.integrations.langgraph import AsmCheckpointSaver, StaleCheckpointError
from asm_async.integrations.langgraph.joining import Joins
from asm_async.integrations.langgraph.writes import Writes
from tests.frameworks.langgraph.chats import Writer, thread

SCOPE = "langgraph/t"


def writes_of(*keys: str, content: bytes = b"x") -> Writes:
    """
    Return writes under these keys.
    """
    items = [StateItem(scope=SCOPE, key=key, content=content) for key in keys]
    return Writes(
        scope=SCOPE,
        items=items,
        are_special=False,
        session=lambda: Session.new(agent_id="agent"),
    )


class Put:
    """
    A put that lasts until it is told to end.
    """

    def __init__(self) -> None:
        self.keys: list[str] | None = None
        self._ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def store(self, writes: Sequence[Writes]) -> bool:
        """
        Store a checkpoint with *writes*, or refuse these, as it is told to.
        """
        self.keys = [item.key for each in writes for item in each.items]
        return await self._ended

    def end(self, *, stores: bool = True) -> None:
        """
        End it.
        """
        self._ended.set_result(stores)

    def fail(self, error: Exception) -> None:
        """
        End it with an error.
        """
        self._ended.set_exception(error)


async def begin(work: Awaitable[Any]) -> asyncio.Future[Any]:
    """
    Begin something, and return when it waits.
    """
    begun = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return begun


async def join(second: Put) -> tuple[asyncio.Future[Any], asyncio.Future[Any]]:
    """
    Begin a second put after a first, beside which writes have come; return both works.
    """
    joins, first = Joins(), Put()
    putting = await begin(joins.put(SCOPE, first.store))
    joining = await begin(joins.join(SCOPE, writes_of("a")))
    first.end()
    await putting
    return await begin(joins.put(SCOPE, second.store)), joining


async def test_what_comes_beside_a_put_joins_the_next() -> None:
    """
    Writes wait while a checkpoint is put, and are stored with the one that follows.
    """
    joins, first, second = Joins(), Put(), Put()
    putting = await begin(joins.put(SCOPE, first.store))
    joining = [await begin(joins.join(SCOPE, writes_of(key))) for key in "ab"]
    first.end()
    await putting
    putting = await begin(joins.put(SCOPE, second.store))
    second.end()
    await putting

    assert (first.keys, second.keys) == ([], ["a", "b"])
    assert await asyncio.gather(*joining) == [True, True]


async def test_what_no_put_follows_is_saved_by_itself() -> None:
    """
    Writes are given back when the put has ended, without that another begins.
    """
    joins, put = Joins(), Put()
    putting = await begin(joins.put(SCOPE, put.store))
    joining = await begin(joins.join(SCOPE, writes_of("a")))
    elsewhere = await joins.join("langgraph/other", writes_of("a"))
    put.end()
    await putting

    assert not await joining
    assert not elsewhere
    # What comes now need not wait.
    assert not await joins.join(SCOPE, writes_of("b"))


@pytest.mark.parametrize("error", [None, ValueError("no")])
async def test_what_a_put_did_not_store_is_given_back(error: Exception | None) -> None:
    """
    Writes that joined a put that stored none, or failed, are their task's to save.
    """
    second = Put()
    putting, joining = await join(second)
    if error is None:
        second.end(stores=False)
    else:
        second.fail(error)
    await asyncio.wait({putting})

    assert putting.exception() is error
    assert second.keys == ["a"]
    assert not await joining


async def test_a_commit_has_each_item_once() -> None:
    """
    Writes under a key that waits already stay behind, for the put after the next.
    """
    joins, puts = Joins(), [Put(), Put(), Put()]
    putting = await begin(joins.put(SCOPE, puts[0].store))
    joining = [
        await begin(joins.join(SCOPE, writes_of(*keys))) for keys in ("ab", "bc", "d")
    ]
    for put, following in zip(puts, [*puts[1:], None], strict=True):
        put.end()
        await putting
        if following is not None:
            putting = await begin(joins.put(SCOPE, following.store))

    assert [put.keys for put in puts] == [[], ["a", "b"], ["b", "c", "d"]]
    assert await asyncio.gather(*joining) == [True, True, True]


@pytest.mark.parametrize(("count", "size"), [(1, 5 * 2**20), (600, 1)])
async def test_what_is_too_large_for_another_commit_does_not_wait(
    count: int, size: int
) -> None:
    """
    More than 512 items, or 4 MiB, are saved by themselves at once.
    """
    joins, put = Joins(), Put()
    putting = await begin(joins.put(SCOPE, put.store))
    writes = writes_of(*map(str, range(count)), content=b"x" * size)
    assert not await joins.join(SCOPE, writes)
    put.end()
    await putting


async def test_writes_that_are_cancelled_while_they_wait_join_no_put() -> None:
    """
    Of a task that is cancelled before the next put begins, nothing is stored.
    """
    joins, first, second = Joins(), Put(), Put()
    putting = await begin(joins.put(SCOPE, first.store))
    joining = await begin(joins.join(SCOPE, writes_of("a")))
    joining.cancel()
    await asyncio.wait({joining})
    first.end()
    await putting
    putting = await begin(joins.put(SCOPE, second.store))
    second.end()
    await putting

    assert second.keys == []


async def test_writes_that_are_cancelled_later_wait_for_their_put() -> None:
    """
    A task that is cancelled while a put stores its writes ends when that has ended.
    """
    second = Put()
    putting, joining = await join(second)
    joining.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not joining.done()
    second.end()
    await asyncio.wait({putting, joining})

    assert joining.cancelled()


async def put_beside(writer: Writer, writing: Awaitable[None]) -> None:
    """
    Put two checkpoints, and let a task write beside the first of them.
    """
    put = await begin(writer.put({"n": 1}))
    written = await begin(writing)
    await put
    await writer.put({"n": 2})
    await written


async def test_what_has_joined_is_pending_on_its_checkpoint(ports: Ports) -> None:
    """
    Writes are found on the checkpoint that they name, by any saver.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    config = await writer.put({"n": 0})
    writes = [("a", 1), ("b", 2)]
    await put_beside(writer, saver.aput_writes(config, writes, "task"))
    found = await AsmCheckpointSaver(ports).aget_tuple(config)
    latest = await AsmCheckpointSaver(ports).aget_tuple(thread("t"))

    assert found is not None
    assert found.pending_writes == [("task", "a", 1), ("task", "b", 2)]
    assert latest is not None
    assert latest.checkpoint["channel_values"] == {"n": 2}
    assert latest.pending_writes == []


async def test_a_repeated_task_changes_nothing_beside_a_put(ports: Ports) -> None:
    """
    What a task wrote first stays, and the put that its repetition joined is stored.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    config = await writer.put({"n": 0})
    await saver.aput_writes(config, [("a", "first")], "task")
    again = [("a", "second"), ("b", "new")]
    await put_beside(writer, saver.aput_writes(config, again, "task"))
    found = await saver.aget_tuple(config)
    latest = await saver.aget_tuple(thread("t"))

    assert found is not None
    assert found.pending_writes == [("task", "a", "first"), ("task", "b", "new")]
    assert latest is not None
    assert latest.checkpoint["channel_values"] == {"n": 2}


async def test_writes_outlive_the_refusal_of_a_put(ports: Ports) -> None:
    """
    What a task wrote is stored though the put that it joined is refused.
    """
    saver = AsmCheckpointSaver(ports, on_fork="refuse")
    writer = Writer(saver, "t")
    base = await writer.put({"n": 0}, metadata={"source": "input"})
    put = await begin(writer.put({"n": 1}))
    writing = await begin(saver.aput_writes(base, [("a", 1)], "task"))
    await put
    writer.config = base
    with pytest.raises(StaleCheckpointError):
        await writer.put({"n": 2})
    await writing
    found = await saver.aget_tuple(base)

    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]
