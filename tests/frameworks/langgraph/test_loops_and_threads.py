"""
One saver, used from several event loops and threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage
from langgraph.graph import START, StateGraph

from asm_async import Ports
from asm_async.errors import UnsupportedOperationError
from asm_async.integrations.langgraph import AsmCheckpointSaver
from asm_async.portal import Portal
from tests.frameworks.langgraph.chats import (
    TEXT,
    Chat,
    Writer,
    chat_with,
    say,
    texts_of,
    thread,
    values_of,
)


def test_one_saver_serves_several_loops(portal: Portal) -> None:
    """
    Turns of one thread, each in an event loop of its own, follow each other.
    """
    chat = chat_with(AsmCheckpointSaver(portal.ports, on_fork="refuse"))
    for text in ("one", "two", "three"):
        asyncio.run(say(chat, "t", text))
    state = asyncio.run(chat.aget_state(thread("t")))

    assert texts_of(state.values)[::2] == ["one", "two", "three"]


def test_threads_chat_at_the_same_time(portal: Portal) -> None:
    """
    Eight loops in eight threads have turns of eight chats, and none gets lost.
    """
    chat = chat_with(AsmCheckpointSaver(portal.ports))

    def talk(number: int) -> list[str]:
        async def turns() -> list[str]:
            for turn in range(5):
                state = await say(chat, f"t{number}", f"{number}.{turn}")
            return texts_of(state)[::2]

        return asyncio.run(turns())

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(talk, range(8)))

    assert said == [[f"{n}.{turn}" for turn in range(5)] for n in range(8)]


def test_the_synchronous_half_is_the_same(portal: Portal) -> None:
    """
    A program without asyncio has turns, lists, copies, prunes and deletes.
    """
    saver = AsmCheckpointSaver(portal.ports)
    graph = StateGraph(Chat)
    graph.add_node("answer", lambda _: {"messages": [AIMessage("yes")]})
    graph.add_edge(START, "answer")
    chat = graph.compile(checkpointer=saver)
    for text in ("one", "two"):
        chat.invoke({"messages": [("user", text)]}, thread("t", run_id=text))

    assert len(list(saver.list(thread("t")))) == 6
    assert len(list(saver.list(thread("t"), filter={"source": "loop"}, limit=3))) == 3
    saver.copy_thread("t", "copy")
    saver.delete_for_runs(["two"])
    assert texts_of(chat.get_state(thread("t")).values) == ["one", "yes"]
    saver.prune(["copy"])
    found = list(saver.list(thread("copy")))
    assert [len(each.checkpoint["channel_values"]["messages"]) for each in found] == [2]
    history = saver.get_delta_channel_history(config=thread("t"), channels=["messages"])
    assert len(history["messages"]["seed"]) == 1
    saver.delete_thread("t")
    assert saver.get_tuple(thread("t")) is None


async def test_in_the_portals_own_thread_a_synchronous_call_raises(
    portal: Portal,
) -> None:
    """
    Who would wait for itself is told so.
    """
    saver = AsmCheckpointSaver(portal.ports)

    async def wait_for_itself() -> None:
        saver.get_tuple(thread("t"))

    with pytest.raises(UnsupportedOperationError):
        await portal.run(wait_for_itself)


async def test_a_saver_of_a_url_closes_what_it_opened(tmp_path: Path) -> None:
    """
    It makes its tables, serves, and is closed; another finds what it has stored.
    """
    url = f"sqlite+aiosqlite:///{tmp_path / 'asm.sqlite3'}"
    saver = AsmCheckpointSaver.from_url(url)
    await say(chat_with(saver), "t", "hello")
    await saver.aclose()
    again = AsmCheckpointSaver.from_url(url)
    try:
        found = again.get_tuple(thread("t"))
        assert found is not None
        assert len(found.checkpoint["channel_values"]["messages"]) == 2
    finally:
        again.close()


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_a_cancelled_put_is_whole_or_not_at_all(ports: Ports, turns: int) -> None:
    """
    Whenever a put is cancelled, its checkpoint is there with all values, or is not.

    The saver goes on with what is there.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    await writer.put({"list": [{"n": n, "text": TEXT} for n in range(5)]}, id="1")
    values = {"list": [{"n": n, "text": TEXT} for n in range(9)], "large": TEXT * 9}
    put = asyncio.ensure_future(writer.put(values, id="2"))
    for _ in range(turns):
        await asyncio.sleep(0)
    put.cancel()
    await asyncio.wait([put])
    found = await AsmCheckpointSaver(ports).aget_tuple(thread("t"))

    assert found is not None
    if found.checkpoint["id"] == "2":
        assert found.checkpoint["channel_values"] == values
    else:
        assert put.cancelled()
    await writer.put(values, id="3")
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == values


async def test_nothing_is_held_while_a_list_is_read(ports: Ports) -> None:
    """
    Who reads a list may write to the thread meanwhile, and delete from it.
    """
    saver = AsmCheckpointSaver(ports)
    writer = Writer(saver, "t")
    for number in range(70):
        await writer.put({"n": number})
    seen: list[int] = []
    async for found in saver.alist(thread("t")):
        seen.append(found.checkpoint["channel_values"]["n"])
        if len(seen) == 1:
            await writer.put({"n": 70})
            await saver.aprune(["t"])

    # The first page was read before.
    assert seen == list(range(69, 37, -1))
