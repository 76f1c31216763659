"""
Writers, forks and deletions at the same time, in one event loop and in several.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationConflict
from pydantic_ai.exceptions import UserError

from asm_async import Ports
from asm_async.integrations.pydantic_ai import AsmConversationStore
from asm_async.portal import Portal
from asm_async.testing.concurrency import cancel_after, run_together
from tests.frameworks.pydantic_ai.told_conversations import (
    begin,
    damage,
    said,
    texts_of,
)

ROUNDS = 12


async def outcome(call: Coroutine[Any, Any, Any]) -> Any:
    """
    Return what a call returns, or that the framework refused it.
    """
    try:
        return await call
    except UserError as error:
        return error


async def history(store: AsmConversationStore, conversation_id: str) -> list[str]:
    """
    Return what the messages of a conversation say.
    """
    loaded = await store.load(conversation_id)
    assert loaded is not None
    return texts_of(loaded.messages)


async def test_of_two_writers_exactly_one_saves(ports: Ports) -> None:
    """
    Of the writers that have loaded the same revision one saves, others conflict.
    """
    stores = [AsmConversationStore(ports) for _ in range(6)]
    await begin(stores[0], "talk", "0")
    expected = ["0"]
    for number in range(ROUNDS):
        loaded = [await store.load("talk") for store in stores]
        for index, conversation in enumerate(loaded):
            assert conversation is not None
            # Also where nothing but the record changes.
            conversation.messages += said(*[f"{number} {index}"] * (number % 2))
        ended = await run_together(
            outcome(store.save(conversation))
            for store, conversation in zip(stores, loaded, strict=True)
            if conversation is not None
        )
        won = [index for index, each in enumerate(ended) if isinstance(each, list)]
        assert len(won) == 1
        refused = [each for each in ended if not isinstance(each, list)]
        assert {type(each) for each in refused} == {ConversationConflict}
        expected += [f"{number} {won[0]}"] * (number % 2)

    assert await history(stores[0], "talk") == expected


async def test_of_two_that_begin_the_same_exactly_one_does(ports: Ports) -> None:
    """
    A conversation is begun once, also where it was there before and deleted.
    """
    stores = [AsmConversationStore(ports) for _ in range(5)]
    for _ in range(ROUNDS):
        ended = await run_together(
            outcome(begin(store, "talk", str(index)))
            for index, store in enumerate(stores)
        )
        won = [i for i, each in enumerate(ended) if isinstance(each, Conversation)]
        assert len(won) == 1
        assert await history(stores[0], "talk") == [str(won[0])]
        assert len(await stores[0].list_conversations()) == 1
        await run_together(store.delete("talk") for store in stores)
        assert await stores[0].load("talk") is None
    assert not (await ports.query.search_sessions()).items


async def test_a_fork_beside_a_deletion_keeps_its_entries(ports: Ports) -> None:
    """
    A fork is either refused, or has its whole history, whatever is deleted meanwhile.
    """
    stores = [AsmConversationStore(ports) for _ in range(4)]
    chance, kept = random.Random(7), 0
    for number in range(ROUNDS * 3):
        await begin(stores[0], f"source {number}", "1", "2", "3", "4")

        async def fork(index: int, number: int = number) -> list[str]:
            await asyncio.sleep(chance.random() * 0.004)
            forked = await stores[index].fork(
                f"source {number}",
                at=index + 1,
                new_conversation_id=f"fork {number} {index}",
            )
            forked.messages += said("mine")
            await stores[index].save(forked)
            return forked.conversation_id.split()[1:]

        async def delete(number: int = number) -> None:
            await asyncio.sleep(chance.random() * 0.006)
            await stores[3].delete(f"source {number}")

        ended = await run_together(
            [outcome(fork(0)), outcome(fork(1)), outcome(fork(2)), outcome(delete())]
        )
        assert await stores[0].load(f"source {number}") is None
        for index, each in enumerate(ended[:3]):
            if isinstance(each, list):
                kept += 1
                texts = await history(stores[1], f"fork {number} {index}")
                assert texts == [*"1234"[: index + 1], "mine"]

    assert kept
    for record in await stores[0].list_conversations():
        await stores[1].delete(record.conversation_id)
    assert not (await ports.query.search_sessions()).items
    assert await damage(ports) == []


async def test_many_forks_at_once_all_succeed(ports: Ports) -> None:
    """
    Forks of one conversation refuse none of each other, and outlive it.
    """
    store = AsmConversationStore(ports)
    await begin(store, "source", "1", "2")
    forks = [
        store.fork("source", at=1, new_conversation_id=f"fork {number}")
        for number in range(40)
    ]

    forked = await run_together(forks)
    await store.delete("source")

    assert len(forked) == 40
    for number in range(40):
        assert await history(store, f"fork {number}") == ["1"]


async def test_deletions_at_once_free_exactly_what_nobody_leads_to(
    ports: Ports,
) -> None:
    """
    Of conversations that share entries some are deleted at once; the others load whole.
    """
    store = AsmConversationStore(ports)
    chance = random.Random(11)
    for number in range(ROUNDS):
        names = [f"{number} {index}" for index in range(6)]
        await begin(store, names[0], "1", "2", "3")
        expected = {names[0]: ["1", "2", "3"]}
        seen = {entry.id for entry in await store.load_entries(names[0]) or ()}
        for name in names[1:]:
            source = chance.choice(list(expected))
            keep = chance.randint(0, len(expected[source]))
            forked = await store.fork(source, at=keep, new_conversation_id=name)
            forked.messages += said(f"of {name}", f"more of {name}")
            seen |= {entry.id for entry in await store.save(forked)}
            expected[name] = texts_of(forked.messages)
        gone = chance.sample(names, 3)

        others = [AsmConversationStore(ports) for _ in gone]
        await run_together(
            each.delete(name) for each, name in zip(others, gone, strict=True)
        )

        led_to = set[str]()
        for name in set(names) - set(gone):
            entries = await store.load_entries(name)
            assert entries is not None
            led_to |= {entry.id for entry in entries}
            assert texts_of([entry.message for entry in entries]) == expected[name]
        for entry_id in seen - led_to:
            with pytest.raises(KeyError):
                await store.read_entry(entry_id)


async def test_a_cancelled_save_is_whole_or_not_there(ports: Ports) -> None:
    """
    Whenever a save or a deletion is cancelled, all of it is stored, or nothing.
    """
    store = AsmConversationStore(ports)
    await begin(store, "talk", "0")
    expected = ["0"]
    for turns in range(40):
        loaded = await store.load("talk")
        assert loaded is not None
        loaded.messages += said(f"{turns} a", f"{turns} b")
        await cancel_after(turns, store.save(loaded))
        texts = await history(store, "talk")
        assert texts in (expected, [*expected, f"{turns} a", f"{turns} b"])
        expected = texts
    for turns in range(0, 60, 2):
        await begin(store, f"gone {turns}", "1")
        await store.fork(f"gone {turns}", new_conversation_id=f"fork {turns}")
        await cancel_after(turns, store.delete(f"gone {turns}"))
        await store.delete(f"gone {turns}")
        assert await history(store, f"fork {turns}") == ["1"]
        await store.delete(f"fork {turns}")

    await store.delete("talk")
    assert not (await ports.query.search_sessions()).items


def test_several_event_loops_share_one_store(portal: Portal) -> None:
    """
    Threads with event loops of their own save to one conversation and lose no turn.
    """
    store = AsmConversationStore(portal.ports)
    asyncio.run(begin(store, "talk", "0"))
    turns, writers = 5, 4
    errors = list[BaseException]()

    async def write(writer: int) -> None:
        for turn in range(turns):
            while True:
                loaded = await store.load("talk")
                assert loaded is not None
                loaded.messages += said(f"{writer} {turn}")
                if isinstance(await outcome(store.save(loaded)), list):
                    break

    def work(writer: int) -> None:
        try:
            asyncio.run(write(writer))
        except BaseException as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not errors
    texts = asyncio.run(history(store, "talk"))
    assert texts[0] == "0"
    for writer in range(writers):
        own = [text for text in texts if text.startswith(f"{writer} ")]
        assert own == [f"{writer} {turn}" for turn in range(turns)]


def test_a_store_from_a_url_serves_every_loop(framework_url: str | None) -> None:
    """
    ``from_url`` opens a database for any event loop, until it is closed.
    """
    if framework_url is None:
        return
    store = AsmConversationStore.from_url(framework_url)
    asyncio.run(begin(store, "talk", "1"))
    asyncio.run(begin(store, "other", "2"))

    assert asyncio.run(history(store, "talk")) == ["1"]
    asyncio.run(store.aclose())
    store.close()
