"""
Several writers, cancelled ones, and several event loops.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest
from agent_framework import Message, WorkflowCheckpoint

from asm_async import Ports, errors, open_ports
from asm_async.integrations.agent_framework import (
    AsmCheckpointStorage,
    AsmHistoryProvider,
)
from asm_async.portal import Portal
from asm_async.testing.concurrency import cancel_after, run_together

WRITERS = 6
TURNS = 4
# Of the event loop; the last calls are through before they would be cancelled.
TURNS_BEFORE_CANCELLED = (*range(30), *range(31, 400, 24))


def turn(writer: object, number: int) -> list[Message]:
    """
    Make the messages of one turn.
    """
    said = [f"{writer}-{number}-{part}" for part in ("question", "answer")]
    return [Message("user", said[:1]), Message("assistant", said[1:])]


def check_turns(messages: list[Message], writers: list[Any], turns: int) -> None:
    """
    Prove that all turns are there, none torn, and those of each writer in order.
    """
    texts = [message.text for message in messages]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    for writer in writers:
        own = [pair for pair in pairs if pair[0].startswith(f"{writer}-")]
        expected = [tuple(m.text for m in turn(writer, n)) for n in range(turns)]
        assert own == expected
    assert len(pairs) == len(writers) * turns


async def save_turns(provider: AsmHistoryProvider, writer: object) -> None:
    """
    Save the turns of one writer, one after the other.
    """
    for number in range(TURNS):
        await provider.save_messages("s", turn(writer, number))


async def test_writers_of_a_conversation_do_not_tear_each_other(
    ports: Ports, framework_url: str | None
) -> None:
    """
    What two providers save at the same time is all there, each save in one piece.
    """
    if framework_url is None:
        await check_writers([ports, ports])
    else:
        async with open_ports(framework_url) as others:
            await check_writers([ports, others])


async def check_writers(places: list[Ports]) -> None:
    """
    Have writers begin at the same moment, over several ports.
    """
    providers = [AsmHistoryProvider(place) for place in places]
    await run_together(
        save_turns(providers[writer % len(providers)], writer)
        for writer in range(WRITERS)
    )
    found = await providers[0].get_messages("s")
    check_turns(found, list(range(WRITERS)), TURNS)


async def test_a_save_that_is_repeated_side_by_side_is_stored_once(
    ports: Ports,
) -> None:
    """
    Of many that save the same messages, by their ids, one stores them.
    """
    provider = AsmHistoryProvider(ports)
    said = [
        Message("user", ["hi"], message_id="m1"),
        Message("assistant", ["hello"], message_id="m2"),
    ]

    await run_together(provider.save_messages("s", said) for _ in range(WRITERS))

    found = await provider.get_messages("s")
    assert [message.message_id for message in found] == ["m1", "m2"]


async def test_a_cancelled_save_is_whole_or_not_there(ports: Ports) -> None:
    """
    Wherever a save is cancelled, its messages are all there or none is.
    """
    provider = AsmHistoryProvider(ports)
    before = asyncio.all_tasks()
    acknowledged = 0
    for turns in TURNS_BEFORE_CANCELLED:
        save = partial(provider.save_messages, "s", turn("w", turns))
        acknowledged += await cancel_after(turns, is_through(save)) or 0

    # What tells other processes of the writes goes on for a moment.
    if left := asyncio.all_tasks() - before:
        _, left = await asyncio.wait(left, timeout=20)
    assert left == set()
    texts = [message.text for message in await provider.get_messages("s")]
    for question, answer in zip(texts[::2], texts[1::2], strict=True):
        assert question.removesuffix("question") == answer.removesuffix("answer")
    assert 2 * acknowledged <= len(texts) < 2 * len(TURNS_BEFORE_CANCELLED)


async def test_a_cancelled_checkpoint_is_whole_or_not_there(ports: Ports) -> None:
    """
    Wherever a save is cancelled, the checkpoint is under one workflow, by id and name.
    """
    storage = AsmCheckpointStorage(ports)
    first = WorkflowCheckpoint(workflow_name="w0", graph_signature_hash="h")
    await storage.save(first)
    for turns in TURNS_BEFORE_CANCELLED:
        moved = WorkflowCheckpoint(
            workflow_name=f"w{turns % 2}",
            graph_signature_hash="h",
            checkpoint_id=first.checkpoint_id,
            iteration_count=turns,
        )
        await cancel_after(turns, is_through(partial(storage.save, moved)))

        last = await storage.load(first.checkpoint_id)
        for name in ("w0", "w1"):
            found = await storage.list_checkpoints(workflow_name=name)
            assert found == ([last] if last.workflow_name == name else [])


async def is_through(make: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    """
    Make a call, await it, and return that it has returned.
    """
    await make()
    return True


def test_one_provider_serves_several_loops(portal: Portal) -> None:
    """
    Threads with loops of their own share a provider and a storage over a portal.
    """
    provider = AsmHistoryProvider(portal.ports)
    storage = AsmCheckpointStorage(portal.ports)
    barrier = threading.Barrier(WRITERS)
    failures: list[BaseException] = []

    async def work(writer: int) -> None:
        await save_turns(provider, writer)
        saved = WorkflowCheckpoint(workflow_name="w", graph_signature_hash="h")
        await storage.save(saved)
        assert await storage.load(saved.checkpoint_id) == saved

    def run(writer: int) -> None:
        barrier.wait(30)
        try:
            asyncio.run(work(writer))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=run, args=[n]) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    found = asyncio.run(provider.get_messages("s"))
    check_turns(found, list(range(WRITERS)), TURNS)
    ids = asyncio.run(storage.list_checkpoint_ids(workflow_name="w"))
    assert len(ids) == WRITERS


def test_a_url_is_enough(migrated_sqlite_url: str) -> None:
    """
    What is made from a URL serves one loop after the other, until it is closed.
    """
    provider = AsmHistoryProvider.from_url(migrated_sqlite_url, agent_id="helper")
    storage = AsmCheckpointStorage.from_url(migrated_sqlite_url)
    saved = WorkflowCheckpoint(workflow_name="w", graph_signature_hash="h")

    asyncio.run(provider.save_messages("s", turn("w", 0)))
    asyncio.run(storage.save(saved))

    assert len(asyncio.run(provider.get_messages("s"))) == 2
    asyncio.run(provider.aclose())
    assert asyncio.run(storage.load(saved.checkpoint_id)) == saved
    asyncio.run(storage.aclose())
    with pytest.raises(errors.StoreClosedError):
        asyncio.run(provider.get_messages("s"))
    with pytest.raises(errors.StoreClosedError):
        asyncio.run(storage.load(saved.checkpoint_id))


async def test_ports_that_are_handed_in_stay_open(ports: Ports) -> None:
    """
    Who opens ports closes them.
    """
    await AsmHistoryProvider(ports).aclose()
    await AsmCheckpointStorage(ports).aclose()

    name = uuid.uuid4().hex
    assert await AsmHistoryProvider(ports).get_messages(name) == []
