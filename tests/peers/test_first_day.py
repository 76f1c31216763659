"""
What an application does on its first day, here and with what else is used, in lines.

Each test does one task in several ways, as their documentation has it, and runs them
all; :func:`do_in_fewest_lines` counts. What has no way of its own is left out.

    nox -s peers
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
import textwrap
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest
from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession
from google.adk.events import Event
from google.adk.sessions import DatabaseSessionService
from google.genai.types import UserContent
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph

from asm_async import Ports, RunStatus, Session, open_ports
from asm_async.conventions import message_received, message_sent
from asm_async.recording import recover_interrupted_runs
from asm_async.transcripts import read_transcript

Way: TypeAlias = Callable[[], Awaitable[Any]]

QUESTION, ANSWER = "What is 6 times 7?", "42"
OF_ADA = {"app_name": "app", "user_id": "ada"}
THREAD = {"configurable": {"thread_id": "chat"}}

DYING = """
import asyncio, os, sys
from asm_async import open_store
from asm_async.recording import record_run

async def main():
    async with open_store(f"sqlite+aiosqlite:///{sys.argv[1]}") as store:
        async with record_run(store, "chat", lease=0.2) as run:
            await run.message_sent("Are you there?")
            os._exit(1)

asyncio.run(main())
"""


async def do_in_fewest_lines(ours: Way, *others: Way) -> list[Any]:
    """
    Do the task in each way, and return what each returned.

    Raises:
        AssertionError: If ours has more lines than the shortest of the others.
    """
    returned = [await way() for way in (ours, *others)]
    lines = {way.__name__: count_lines(way) for way in (ours, *others)}
    assert lines[ours.__name__] <= min(lines.values()), lines
    return returned


def count_lines(way: Way) -> int:
    """
    Count the lines of a function's body, as the formatter lays them out.
    """
    (function,) = ast.parse(textwrap.dedent(inspect.getsource(way))).body
    assert isinstance(function, ast.AsyncFunctionDef)
    last = function.body[-1].end_lineno
    assert last is not None
    return last - function.body[0].lineno + 1


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    Work in an empty directory, so that each way can name its file.
    """
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def ports(directory: Path) -> AsyncGenerator[Ports]:
    """
    Open this library's ports on a database in which Ada has asked and was answered.
    """
    url = f"sqlite+aiosqlite:///{directory / 'asm_async.sqlite3'}"
    async with open_ports(url, migrate=True) as ports:
        chat = Session.new(id="chat", agent_id="assistant", user_id="ada")
        await ports.store.save_session(chat)
        question = message_sent(session_id="chat", content=QUESTION)
        answer = message_received(session_id="chat", content=ANSWER)
        await ports.store.append_events([question, answer])
        yield ports


@pytest.fixture
async def agents_session(directory: Path) -> AsyncGenerator[AdvancedSQLiteSession]:
    """
    Open a session of the OpenAI Agents SDK, the kind that can branch.
    """
    path = directory / "agents.sqlite3"
    session = AdvancedSQLiteSession(session_id="chat", db_path=path, create_tables=True)
    question = {"role": "user", "content": QUESTION}
    await session.add_items([question, {"role": "assistant", "content": ANSWER}])
    yield session
    session.close()


@attrs.frozen
class Adk:
    """
    A session service of Google's ADK with a session in it.
    """

    service: DatabaseSessionService
    session: Any


@pytest.fixture
async def adk(directory: Path) -> AsyncGenerator[Adk]:
    """
    Open ADK's session service on a database in which Ada has asked.
    """
    url = f"sqlite+aiosqlite:///{directory / 'adk.sqlite3'}"
    async with DatabaseSessionService(url) as service:
        session = await service.create_session(**OF_ADA, session_id="chat")
        await service.append_event(
            session, Event(author="user", content=UserContent(QUESTION))
        )
        yield Adk(service, session)


@pytest.fixture
async def graph(directory: Path) -> AsyncGenerator[CompiledStateGraph]:
    """
    Compile a LangGraph graph with its saver; the first answer of its node is lost.
    """
    tries: list[MessagesState] = []

    async def answer(state: MessagesState) -> dict[str, Any]:
        tries.append(state)
        if len(tries) == 1:
            raise ConnectionError("the model is not reached")
        return {"messages": [("assistant", ANSWER)]}

    builder = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer")
    path = str(directory / "langgraph.sqlite3")
    async with AsyncSqliteSaver.from_conn_string(path) as saver:
        graph = builder.compile(checkpointer=saver)
        with pytest.raises(ConnectionError):
            await graph.ainvoke({"messages": [("user", QUESTION)]}, THREAD)
        yield graph


async def test_begin_a_conversation_and_leave_nothing_open(directory: Path) -> None:
    """
    From nothing to a conversation in a file.
    """

    async def with_asm_async() -> None:
        async with open_ports("sqlite:///asm.sqlite3", migrate=True) as ports:
            await ports.store.save_session(Session.new(id="chat", agent_id="assistant"))

    async def with_openai_agents() -> None:
        session = SQLiteSession("chat", "agents.sqlite3")
        session.close()

    async def with_google_adk() -> None:
        async with DatabaseSessionService("sqlite+aiosqlite:///adk.sqlite3") as service:
            await service.create_session(**OF_ADA, session_id="chat")

    await do_in_fewest_lines(with_asm_async, with_openai_agents, with_google_adk)
    for name in ("asm", "agents", "adk"):
        assert (directory / f"{name}.sqlite3").stat().st_size > 0


async def test_append_a_message(
    ports: Ports, agents_session: AdvancedSQLiteSession, adk: Adk
) -> None:
    """
    A message of the user's is kept.
    """
    store, service, session = ports.store, adk.service, adk.session

    async def with_asm_async() -> None:
        await store.append_event(message_sent(session_id="chat", content="And 7?"))

    async def with_openai_agents() -> None:
        await agents_session.add_items([{"role": "user", "content": "And 7?"}])

    async def with_google_adk() -> None:
        event = Event(author="user", content=UserContent("And 7?"))
        await service.append_event(session, event)

    await do_in_fewest_lines(with_asm_async, with_openai_agents, with_google_adk)
    assert await store.get_latest_sequence("chat") == 3
    assert len(await agents_session.get_items()) == 3
    assert len(session.events) == 2


async def test_give_the_history_to_a_model(
    ports: Ports,
    agents_session: AdvancedSQLiteSession,
    adk: Adk,
    graph: CompiledStateGraph,
) -> None:
    """
    What was said so far, as the model's provider takes it.
    """
    store, service = ports.store, adk.service
    await graph.ainvoke(None, THREAD)

    async def with_asm_async() -> Any:
        return (await read_transcript(store, "chat")).to_responses()

    async def with_openai_agents() -> Any:
        return await agents_session.get_items()

    async def with_google_adk() -> Any:
        session = await service.get_session(**OF_ADA, session_id="chat")
        return [event.content for event in session.events]

    async def with_langgraph() -> Any:
        return (await graph.aget_state(THREAD)).values["messages"]

    ours, of_agents, of_adk, of_langgraph = await do_in_fewest_lines(
        with_asm_async, with_openai_agents, with_google_adk, with_langgraph
    )
    assert [item["role"] for item in ours] == [item["role"] for item in of_agents]
    assert [content.parts[0].text for content in of_adk] == [QUESTION]
    assert [message.content for message in of_langgraph] == [QUESTION, ANSWER]


async def test_go_on_after_a_crash(
    directory: Path, ports: Ports, graph: CompiledStateGraph
) -> None:
    """
    What was interrupted is taken up: here its run is ended, there its node run again.
    """
    path = directory / "asm_async.sqlite3"
    # Nobody renews the lease any more, and nobody ends the run.
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, path)
    assert await process.wait() == 1

    async def with_asm_async() -> Any:
        return await recover_interrupted_runs(ports)

    async def with_langgraph() -> Any:
        return await graph.ainvoke(None, THREAD)

    _, resumed = await do_in_fewest_lines(with_asm_async, with_langgraph)
    (run,) = await ports.store.list_runs("chat")
    assert run.status is RunStatus.FAILED
    assert resumed["messages"][-1].content == ANSWER


async def test_list_the_chats_of_a_user(ports: Ports, adk: Adk) -> None:
    """
    Ada's chats, ours with the one first in which something was last said.
    """
    query, service = ports.query, adk.service

    async def with_asm_async() -> Any:
        return await query.search_sessions(user_id="ada", order_by="last_activity_desc")

    async def with_google_adk() -> Any:
        return await service.list_sessions(**OF_ADA)

    ours, theirs = await do_in_fewest_lines(with_asm_async, with_google_adk)
    assert [chat.id for chat in ours] == [chat.id for chat in theirs.sessions]


async def test_fork_a_conversation(
    ports: Ports, agents_session: AdvancedSQLiteSession, graph: CompiledStateGraph
) -> None:
    """
    A second conversation begins as the first one did.
    """
    store = ports.store
    await agents_session.add_items([{"role": "user", "content": "And 7?"}])
    await graph.ainvoke(None, THREAD)

    async def with_asm_async() -> Any:
        return await store.copy_session("chat", Session.new(agent_id="a"), through=1)

    async def with_openai_agents() -> Any:
        return await agents_session.create_branch_from_turn(2)

    async def with_langgraph() -> Any:
        *_, first = [state async for state in graph.aget_state_history(THREAD)]
        return await graph.ainvoke({"messages": [("user", "And 7?")]}, first.config)

    fork, _, _ = await do_in_fewest_lines(
        with_asm_async, with_openai_agents, with_langgraph
    )
    assert await store.get_latest_sequence(fork.id) == 1
    assert len(await agents_session.get_items()) == 2


async def test_take_the_last_message_back(
    ports: Ports, agents_session: AdvancedSQLiteSession
) -> None:
    """
    What was said last is no longer in what the model is given.
    """
    store = ports.store

    async def with_asm_async() -> None:
        await store.retract_events("chat", first=2, last=2)

    async def with_openai_agents() -> None:
        await agents_session.pop_item()

    await do_in_fewest_lines(with_asm_async, with_openai_agents)
    assert len((await read_transcript(store, "chat")).messages) == 1
    assert len(await agents_session.get_items()) == 1


async def test_erase_a_user(ports: Ports, adk: Adk, graph: CompiledStateGraph) -> None:
    """
    All that is kept of Ada goes; LangGraph's saver knows threads, no users.
    """
    maintenance, service = ports.maintenance, adk.service

    async def with_asm_async() -> None:
        await maintenance.erase(user_id="ada")

    async def with_google_adk() -> None:
        for session in (await service.list_sessions(**OF_ADA)).sessions:
            await service.delete_session(**OF_ADA, session_id=session.id)

    async def with_langgraph() -> None:
        await graph.checkpointer.adelete_thread("chat")

    await do_in_fewest_lines(with_asm_async, with_google_adk, with_langgraph)
    assert not await ports.query.search_sessions(include_deleted=True)
    assert not (await service.list_sessions(**OF_ADA)).sessions
