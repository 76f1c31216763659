"""
Random operations on threads, compared with LangGraph's own saver in memory.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

from asm_async import Ports
from asm_async.integrations.langgraph import AsmCheckpointSaver
from tests.frameworks.langgraph.chats import thread

THREADS = ("t", "t/u", "T", "")
NAMESPACES = ("", "sub", "sub:1|deep:2")
RUNS = ("run-1", "run-2", None)
STEPS = 120


class ModelSaver(InMemorySaver):
    """
    LangGraph's saver in memory, with the methods that it lacks.
    """

    def delete_for_runs(self, run_ids: Iterable[str]) -> None:
        """
        Remove the checkpoints of runs, and what is pending on them.
        """
        gone = set(run_ids)
        for found in list(self.list(None)):
            if found.metadata.get("run_id") in gone:
                self._remove(found)

    def prune_to_latest(self, thread_id: str) -> None:
        """
        Remove all but the latest checkpoint of each namespace.
        """
        for checkpoints in list(self.storage[thread_id].items()):
            namespace, by_id = checkpoints
            for found in list(self.list(thread(thread_id, checkpoint_ns=namespace))):
                if found.checkpoint["id"] != max(by_id):
                    self._remove(found)

    def copy_thread(self, source: str, target: str) -> None:
        """
        Copy all that a thread has to one that has nothing.
        """
        for namespace, by_id in self.storage[source].items():
            self.storage[target][namespace] = dict(by_id)
        for stored in (self.writes, self.blobs):
            its = [(name, value) for name, value in stored.items() if name[0] == source]
            for name, value in its:
                copied: Any = dict(value) if isinstance(value, dict) else value
                stored[target, *name[1:]] = copied

    def _remove(self, found: CheckpointTuple) -> None:
        named = found.config["configurable"]
        name = (named["thread_id"], named["checkpoint_ns"], named["checkpoint_id"])
        self.storage[name[0]][name[1]].pop(name[2], None)
        self.writes.pop(name, None)


class Play:
    """
    The same operations on the model and on some savers of one database.
    """

    def __init__(self, ports: Ports, seed: int) -> None:
        self.random = random.Random(seed)
        self.model = ModelSaver()
        self.savers = [AsmCheckpointSaver(ports) for _ in range(3)]
        self.count = 0
        self.threads = list(THREADS)

    @property
    def saver(self) -> AsmCheckpointSaver:
        """
        One of the savers.
        """
        return self.random.choice(self.savers)

    async def step(self) -> None:
        """
        Do something, and compare what a thread has then.
        """
        does = [self.put] * 8 + [self.write] * 4
        does += [self.remove_thread, self.remove_runs, self.prune, self.copy]
        await self.random.choice(does)()
        await self.compare()

    async def put(self) -> None:
        """
        Put a checkpoint on one that is there, or on none.
        """
        config = thread(self._thread(), checkpoint_ns=self._namespace())
        known = list(self.model.list(config))
        parent = None
        if known and self.random.random() < 0.9:
            parent = known[0 if self.random.random() < 0.8 else -1]
        values: dict[str, Any] = {}
        versions: dict[str, Any] = {}
        if parent is not None:
            config["configurable"]["checkpoint_id"] = parent.checkpoint["id"]
            values = dict(parent.checkpoint["channel_values"])
            versions = dict(parent.checkpoint["channel_versions"])
        new: dict[str, Any] = {}
        for channel in self.random.sample(["messages", "n", "a/b", ""], k=2):
            new[channel] = self.model.get_next_version(versions.get(channel), None)
            if self.random.random() < 0.1:
                values.pop(channel, None)
            else:
                values[channel] = self._value(values.get(channel))
        self.count += 1
        checkpoint: Any = {
            "v": 4,
            "id": f"{self.count:08}",
            "ts": "2026-03-01T12:00:00+00:00",
            "channel_values": values,
            "channel_versions": {**versions, **new},
            "versions_seen": {},
            "updated_channels": None,
        }
        metadata: Any = {
            "source": self.random.choice(["input", "loop"]),
            "step": self.random.choice([None, 1, 2]),
            "parents": {},
        }
        run = self.random.choice(RUNS)
        if run is not None:
            metadata["run_id"] = run
        self.model.put(config, checkpoint, metadata, new)
        await self.saver.aput(config, checkpoint, metadata, new)

    async def write(self) -> None:
        """
        Save what a task has written, also on a checkpoint that is not there.
        """
        config = thread(self._thread(), checkpoint_ns=self._namespace())
        known = [found.checkpoint["id"] for found in self.model.list(config)]
        chosen = self.random.choice([*known[:3], "none yet"])
        config["configurable"]["checkpoint_id"] = chosen
        writes = [
            (self.random.choice(["messages", "n", "__error__"]), self._value(None))
            for _ in range(self.random.choice([1, 1, 3]))
        ]
        if self.random.random() < 0.3:
            writes = [("__interrupt__", self._value(None))]
        task = self.random.choice(["one", "two", "a/b"])
        path = self.random.choice(["", "~__pregel_pull, x", "~__pregel_push, 0000001"])
        self.model.put_writes(config, writes, task, path)
        await self.saver.aput_writes(config, writes, task, path)

    async def remove_thread(self) -> None:
        """
        Remove a thread.
        """
        if self.random.random() < 0.5:
            thread_id = self._thread()
            self.model.delete_thread(thread_id)
            await self.saver.adelete_thread(thread_id)

    async def remove_runs(self) -> None:
        """
        Remove the checkpoints of a run.
        """
        if self.random.random() < 0.5:
            self.model.delete_for_runs(["run-1"])
            await self.saver.adelete_for_runs(["run-1"])

    async def prune(self) -> None:
        """
        Remove all but the latest checkpoints of a thread.
        """
        thread_id = self._thread()
        self.model.prune_to_latest(thread_id)
        await self.saver.aprune([thread_id])

    async def copy(self) -> None:
        """
        Copy a thread to where none ever was.
        """
        source = self._thread()
        target = f"{source}-{self.count}"
        if target not in self.model.storage and any(self.model.list(thread(source))):
            self.threads.append(target)
            self.model.copy_thread(source, target)
            await self.saver.acopy_thread(source, target)

    async def compare(self) -> None:
        """
        Compare what a thread has, the latest and lists with filters.
        """
        thread_id, namespace = self._thread(), self._namespace()
        config = thread(thread_id, checkpoint_ns=namespace)
        saver = self.saver
        expected = self.model.get_tuple(config)
        assert told(await saver.aget_tuple(config)) == told(expected)
        options: dict[str, Any] = self.random.choice(
            [
                {},
                {"limit": self.random.choice([0, 1, 2, 50])},
                {"filter": {"source": "loop"}, "limit": 2},
                {"filter": {"step": None}},
                {"filter": {"missing": None}},
                {"filter": {"run_id": "run-2", "step": 1}},
                {"before": thread("x", checkpoint_id=f"{self.count // 2:08}")},
                {"before": thread("x")},
            ]
        )
        found = [told(each) async for each in saver.alist(config, **options)]
        assert found == [told(each) for each in self.model.list(config, **options)]
        options.pop("limit", None)
        for wide in ({"configurable": {"thread_id": thread_id}}, None):
            every = [told(each) async for each in saver.alist(wide, **options)]
            listed = [told(each) for each in self.model.list(wide, **options)]
            assert sorted(every) == sorted(listed)

    def _thread(self) -> str:
        return self.random.choice(self.threads)

    def _namespace(self) -> str:
        return self.random.choice(NAMESPACES)

    def _value(self, before: Any) -> Any:
        if isinstance(before, list) and self.random.random() < 0.6:
            return [*before, *self.random.choices(ELEMENTS, k=2)]
        return self.random.choice(VALUES)


ELEMENTS = [HumanMessage(f"{n} " * 60, id=str(n)) for n in range(9)]
VALUES: list[Any] = [
    None,
    [],
    0,
    -0.0,
    float("inf"),
    "",
    "a\0b",
    "e\u0301",
    b"\0\xff" * 300,
    {"deep": [[[[{}]]]]},
    {"n": [1, 2, 3]},
    list(ELEMENTS),
    [AIMessage("short", id="x")],
    ["text " * 40] * 5,
    [["text " * 40]] * 100,
    (1, 2),
    {1, 2},
    "x" * 5_000,
]


def told(found: CheckpointTuple | None) -> str:
    """
    Return what a checkpoint says, as text.
    """
    if found is None:
        return "none"
    parent = found.parent_config and found.parent_config["configurable"]
    named = found.config["configurable"]
    its = (
        found.checkpoint["id"],
        named["thread_id"],
        named["checkpoint_ns"],
        sorted(found.checkpoint["channel_values"].items()),
        sorted(found.checkpoint["channel_versions"].items()),
        sorted(found.metadata.items()),
        parent,
        found.pending_writes,
    )
    return repr(its)


@pytest.mark.parametrize("seed", [2, 3])
async def test_threads_are_as_in_memory(ports: Ports, seed: int) -> None:
    """
    Whatever is done by several savers, a thread has what LangGraph's own saver has.
    """
    play = Play(ports, seed)
    for _ in range(STEPS):
        await play.step()
