"""
A graph that chats, and checkpoints that are put by hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, Checkpoint
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

TEXT = "The quick brown fox jumps over the lazy dog. " * 8


class Chat(TypedDict):
    """
    The state of a chat.
    """

    messages: Annotated[list[BaseMessage], add_messages]


async def answer(state: Chat) -> dict[str, list[BaseMessage]]:
    """
    Answer the latest message with its own text.
    """
    said = state["messages"][-1].content
    return {"messages": [AIMessage(f"You said: {said}")]}


def chat_with(saver: BaseCheckpointSaver[str]) -> Any:
    """
    Return the graph of a chat over a saver.
    """
    graph = StateGraph(Chat)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    return graph.compile(checkpointer=saver)


def thread(thread_id: str, **more: Any) -> RunnableConfig:
    """
    Return the config of a thread.
    """
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **more}}


async def say(chat: Any, thread_id: str, text: str) -> Any:
    """
    Have a turn of a chat.
    """
    return await chat.ainvoke({"messages": [HumanMessage(text)]}, thread(thread_id))


def texts_of(state: Any) -> list[str]:
    """
    Return what was said in a chat.
    """
    return [message.content for message in state["messages"]]


def checkpoint_of(
    values: Mapping[str, Any], versions: Mapping[str, str], **more: Any
) -> Checkpoint:
    """
    Return a checkpoint with these values.
    """
    made: Any = {
        "v": 4,
        "id": str(uuid6(clock_seq=-1)),
        "ts": "2026-03-01T12:00:00+00:00",
        "channel_values": dict(values),
        "channel_versions": dict(versions),
        "versions_seen": {},
        "updated_channels": None,
        **more,
    }
    return made


class Writer:
    """
    Puts one checkpoint after the other on a thread, as a run does.
    """

    def __init__(self, saver: BaseCheckpointSaver[str], thread_id: str) -> None:
        self._saver = saver
        self.config = thread(thread_id)
        self.versions: dict[str, str] = {}

    async def put(
        self,
        values: Mapping[str, Any],
        changed: Sequence[str] | None = None,
        *,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> RunnableConfig:
        """
        Put the next checkpoint; all its values have changed unless *changed* is given.
        """
        names = list(values) if changed is None else changed
        new = {
            name: self._saver.get_next_version(self.versions.get(name), None)
            for name in names
        }
        self.versions |= new
        checkpoint = checkpoint_of(values, self.versions, **more)
        its: Any = {"source": "loop", "step": 0, "parents": {}, **(metadata or {})}
        self.config = await self._saver.aput(self.config, checkpoint, its, dict(new))
        return self.config


async def values_of(saver: BaseCheckpointSaver[str], config: RunnableConfig) -> Any:
    """
    Return the values of a checkpoint.
    """
    found = await saver.aget_tuple(config)
    assert found is not None
    return found.checkpoint["channel_values"]
