"""
Databases that LangGraph's own savers have written, imported.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, messages_from_dict
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.shallow import ShallowPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph

from asm_async import InMemoryPorts, Ports
from asm_async.importers import import_from
from asm_async.transcripts import read_transcript

ID = "langgraph-thread/1"
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
CONFIG: Any = {"configurable": {"thread_id": "1", "user_id": "ann"}}


def saver_of(url: str) -> AbstractContextManager[Any]:
    """
    Return the saver of a database.
    """
    if url.startswith("postgresql"):
        return PostgresSaver.from_conn_string(url)
    return SqliteSaver.from_conn_string(url.removeprefix("sqlite:///"))


def url_of(kind: str, tmp_path: Path, source_urls: dict[str, str]) -> str:
    """
    Return the URL of an empty database.
    """
    if kind == "sqlite":
        return f"sqlite:///{tmp_path}/theirs.sqlite3"
    return source_urls[kind].replace("+asyncpg", "")


class Answers:
    """
    A node that answers, but for the turns at which it fails.
    """

    def __init__(self, *failing: int) -> None:
        self._failing = failing
        self._count = 0

    def __call__(self, state: MessagesState) -> dict[str, Any]:
        """
        Answer with a number.
        """
        del state
        self._count += 1
        if self._count in self._failing:
            raise RuntimeError("no answer")
        answer = AIMessage(
            f"a{self._count}",
            usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
            response_metadata={"model_name": "m", "model_provider": "p"},
        )
        return {"messages": [answer]}


def graph_of(saver: BaseCheckpointSaver[Any], answers: Answers) -> Any:
    """
    Return a graph of one node.
    """
    graph = StateGraph(MessagesState)
    graph.add_node("answer", answers)
    graph.add_edge(START, "answer")
    return graph.compile(checkpointer=saver)


def ask(chat: Any, question: str, config: Any = CONFIG) -> None:
    """
    Ask, and wait for the answer.
    """
    chat.invoke({"messages": [("user", question)]}, config)


async def chatted(url: str, talk: Callable[[Any], None], *failing: int) -> None:
    """
    Have a chat in a database.
    """

    def work() -> None:
        with saver_of(url) as saver:
            saver.setup()
            talk(graph_of(saver, Answers(*failing)))

    await asyncio.to_thread(work)


async def said(ports: Ports, session_id: str) -> list[Any]:
    """
    Return what the messages of a session say.
    """
    transcript = await read_transcript(ports.store, session_id)
    return [message.content for message in transcript.messages]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_chat_is_a_session(
    kind: str, tmp_path: Path, source_urls: dict[str, str]
) -> None:
    """
    Messages come once, in order, with their original for LangChain, in runs.
    """
    url = url_of(kind, tmp_path, source_urls)
    await chatted(url, lambda chat: [ask(chat, q) for q in ("q1", "q2")] and None)
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "langgraph", url)
        again = await import_from(ports, "langgraph", url)
        assert (done.problem_count, again.events_imported, again.runs_changed) == (
            0,
            0,
            0,
        )
        assert await said(ports, ID) == ["q1", "a1", "q2", "a2"]
        runs = await ports.store.list_runs(ID)
        assert [run.total_tokens for run in runs] == [7, 7]
        assert [(run.input, run.output) for run in runs] == [("q1", "a1"), ("q2", "a2")]
        assert (await ports.store.get_session(ID)).user_id == "ann"
        events = await ports.store.get_events(ID, type="message_received")
        (first, _) = messages_from_dict([event.data["original"] for event in events])
        assert isinstance(first, AIMessage)
        assert first.content == "a1"


@pytest.mark.parametrize("kind", KINDS)
async def test_forks_and_failures(
    kind: str, tmp_path: Path, source_urls: dict[str, str]
) -> None:
    """
    A turn that began at an earlier checkpoint is a fork; a failed one a failed run.
    """
    url = url_of(kind, tmp_path, source_urls)

    def talk(chat: Any) -> None:
        ask(chat, "q1")
        ask(chat, "q2")
        history = chat.get_state_history(CONFIG)
        early = next(h for h in history if len(h.values["messages"]) == 2)
        ask(chat, "q2b", early.config)
        with pytest.raises(RuntimeError, match="no answer"):
            ask(chat, "q3")

    await chatted(url, talk, 4)
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "langgraph", url)
        assert done.problem_count == 0
        main, fork = sorted(await ports.store.list_sessions(), key=lambda s: s.id)
        assert fork.parent_session_id == main.id
        assert await said(ports, main.id) == ["q1", "a1", "q2", "a2"]
        assert await said(ports, fork.id) == ["q1", "a1", "q2b", "a3", "q3"]
        runs = await ports.store.list_runs(fork.id)
        assert [(run.status, run.input) for run in runs] == [
            ("completed", "q2b"),
            ("failed", "q3"),
        ]
        total = sum(run.total_tokens for run in await ports.store.list_runs(main.id))
        assert total + sum(run.total_tokens for run in runs) == 21

        # The failed turn is taken up again, and goes well.
        await chatted(url, lambda chat: chat.invoke(None, CONFIG) and None)
        done = await import_from(ports, "langgraph", url)
        assert (done.problem_count, done.runs_imported) == (0, 1)
        assert (await said(ports, fork.id))[-1] == "a1"


async def test_subgraphs_with_a_memory_are_sessions(tmp_path: Path) -> None:
    """
    A subgraph that keeps checkpoints of its own is below; tokens count once.
    """
    url = f"sqlite:///{tmp_path}/theirs.sqlite3"

    def work() -> None:
        with saver_of(url) as saver:
            inner = StateGraph(MessagesState)
            inner.add_node("answer", Answers())
            inner.add_edge(START, "answer")
            outer = StateGraph(MessagesState)
            outer.add_node("helper", inner.compile(checkpointer=True))
            outer.add_edge(START, "helper")
            ask(outer.compile(checkpointer=saver), "q1")

    await asyncio.to_thread(work)
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "langgraph", url)
        assert done.problem_count == 0
        main, below = sorted(await ports.store.list_sessions(), key=lambda s: s.id)
        assert below.parent_session_id == main.id == ID
        assert await said(ports, below.id) == await said(ports, ID) == ["q1", "a1"]
        runs = await ports.store.list_runs(ID) + await ports.store.list_runs(below.id)
        assert sum(run.total_tokens for run in runs) == 7


@pytest.mark.postgres
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_saver_that_keeps_the_latest_alone(
    source_urls: dict[str, str],
) -> None:
    """
    Of a shallow saver the latest state is read, and what follows later is added.
    """
    url = source_urls["postgresql"].replace("+asyncpg", "")
    answers = Answers()

    def work(question: str) -> None:
        with ShallowPostgresSaver.from_conn_string(url) as saver:
            saver.setup()
            ask(graph_of(saver, answers), question)

    async with InMemoryPorts() as ports:
        for question in ("q1", "q2"):
            await asyncio.to_thread(work, question)
            done = await import_from(ports, "langgraph", url)
            assert done.problem_count == 0
        assert await said(ports, ID) == ["q1", "a1", "q2", "a2"]
