"""
What comes back of a checkpoint, and what it costs to keep.
"""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer

from asm_async import Ports
from asm_async.errors import UnsupportedOperationError, ValidationError
from asm_async.integrations.langgraph import AsmCheckpointSaver
from tests.frameworks.langgraph.chats import (
    TEXT,
    Writer,
    checkpoint_of,
    thread,
    values_of,
)

SCOPE = "langgraph/t"


@pytest.fixture
def saver(ports: Ports) -> AsmCheckpointSaver:
    """
    Return a saver over each database.
    """
    return AsmCheckpointSaver(ports)


async def sizes(ports: Ports, prefix: str) -> list[int]:
    """
    Return how many bytes each item has whose key begins with *prefix*.
    """
    items = await ports.state.list_items(SCOPE, prefix=prefix)
    return [len(item.content or b"") for item in items]


VALUES: list[Any] = [
    None,
    "",
    "a" * 1_000,
    [],
    [1, 2, 3],
    [{"text": TEXT, "n": n} for n in range(3)],
    [{"text": TEXT, "n": n} for n in range(10)],
    [TEXT] * 5,
    ["a", 1, None, TEXT, b"\0\xff" * 200],
    (1, 2),
    {"nested": {"list": [TEXT] * 9}},
    [HumanMessage("hi", id="1")],
    [HumanMessage(TEXT, id=str(n)) for n in range(30)],
    list(range(5_000)),
]


@pytest.mark.parametrize("number", range(len(VALUES)))
async def test_any_value_comes_back_equal(
    saver: AsmCheckpointSaver, ports: Ports, number: int
) -> None:
    """
    A value comes back as LangGraph's own serializer has it, to any saver.
    """
    value = VALUES[number]
    config = await Writer(saver, "t").put({"channel": value})
    expected = saver.serde.loads_typed(saver.serde.dumps_typed(value))

    assert await values_of(saver, config) == {"channel": expected}
    assert await values_of(AsmCheckpointSaver(ports), config) == {"channel": expected}


async def test_a_value_that_did_not_change_is_stored_once(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    Ten checkpoints with one value of 10,000 bytes hold these once.
    """
    writer = Writer(saver, "t")
    await writer.put({"large": "a" * 10_000, "count": 0})
    for count in range(1, 10):
        await writer.put({"large": "a" * 10_000, "count": count}, ["count"])

    assert sum(await sizes(ports, "")) < 20_000
    assert (await values_of(saver, thread("t")))["count"] == 9


async def test_a_list_that_grows_costs_what_is_new(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    Of a list that grows by one element a checkpoint, each element is stored once.
    """
    writer = Writer(saver, "t")
    for length in range(5, 40):
        await writer.put({"list": [{"n": n, "text": TEXT} for n in range(length)]})

    # And from 16 elements on, one node of digests for each length.
    assert len(await sizes(ports, "e/")) == 39 + 24


async def test_very_long_lists_name_their_elements_in_nodes(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    Of 1,500 elements, a further one costs a node of digests, not all of them.
    """
    writer = Writer(saver, "t")
    values = [{"n": n, "text": TEXT} for n in range(1_500)]
    await writer.put({"list": values[:-1]})
    before = sum(await sizes(ports, ""))
    await writer.put({"list": values})
    added = sum(await sizes(ports, "")) - before

    assert added < 3_000
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == {"list": values}


async def test_whether_a_value_is_inline_depends_on_it_alone(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    A small value is found by a saver that knows nothing of when it was put.
    """
    first = Writer(saver, "t")
    await first.put({"small": "s", "large": "a" * 1_000})
    second = Writer(AsmCheckpointSaver(ports), "t")
    second.config, second.versions = first.config, first.versions
    await second.put({"small": "s", "large": "a" * 1_000}, [])

    expected = {"small": "s", "large": "a" * 1_000}
    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == expected


async def test_the_latest_is_what_was_committed_last(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    A checkpoint from a host whose clock is behind is the latest all the same.
    """
    writer = Writer(saver, "t")
    await writer.put({"n": 1}, id="2")
    await writer.put({"n": 2}, id="1")

    assert await values_of(AsmCheckpointSaver(ports), thread("t")) == {"n": 2}
    listed = [each.checkpoint["id"] async for each in saver.alist(thread("t"))]
    assert listed == ["2", "1"]


async def test_pending_writes_come_in_the_order_of_tasks(
    saver: AsmCheckpointSaver,
) -> None:
    """
    Pending writes are ordered by the path of their task, its id and their place.
    """
    config = await Writer(saver, "t").put({"n": 1})
    await saver.aput_writes(config, [("a", 1), ("b", 2)], "task-1", "path-2")
    await saver.aput_writes(config, [("a", 3), ("b", 4)], "task-2", "path-1")
    await saver.aput_writes(config, [("a", 5)], "task-0", "path-2")
    found = await saver.aget_tuple(config)

    assert found is not None
    assert found.pending_writes == [
        ("task-2", "a", 3),
        ("task-2", "b", 4),
        ("task-0", "a", 5),
        ("task-1", "a", 1),
        ("task-1", "b", 2),
    ]


async def test_writes_may_come_before_their_checkpoint(
    saver: AsmCheckpointSaver,
) -> None:
    """
    Writes that are stored first, in a thread that is not there yet, are found later.
    """
    config = thread("t", checkpoint_id="1")
    await saver.aput_writes(config, [("a", 1)], "task")
    assert await saver.aget_tuple(thread("t")) is None
    await saver.aput(
        thread("t"), checkpoint_of({}, {}, id="1"), {"source": "input"}, {}
    )
    found = await saver.aget_tuple(thread("t"))

    assert found is not None
    assert found.pending_writes == [("task", "a", 1)]


@pytest.mark.parametrize(
    "thread_id", ["", "a/b", "x" * 2_000, "nul\0", "ünï", "%2F", "."]
)
async def test_ids_of_threads_may_be_any_text(
    saver: AsmCheckpointSaver, thread_id: str
) -> None:
    """
    A thread is found by its id, whatever that is, and no other is.
    """
    writer = Writer(saver, thread_id)
    namespace = f"{'n' * 900}:{thread_id}"
    writer.config["configurable"]["checkpoint_ns"] = namespace
    await writer.put({"channel/with/" + "slashes" * 90: TEXT})
    config = thread(thread_id, checkpoint_ns=namespace)
    found = [each async for each in saver.alist(config)]

    assert [each.config for each in found] == [writer.config]
    assert await saver.aget_tuple(thread(f"{thread_id}.")) is None


async def test_an_encrypted_thread_is_nowhere_readable(ports: Ports) -> None:
    """
    With an encrypting serializer neither items nor events say what was said.
    """
    serde = EncryptedSerializer.from_pycryptodome_aes(key=b"0123456789abcdef")
    saver = AsmCheckpointSaver(ports, serde=serde)
    writer = Writer(saver, "t")
    messages = [HumanMessage(f"secret {n} {TEXT}", id=str(n)) for n in range(9)]
    for length in (4, 8):
        await writer.put(
            {"messages": messages[:length]}, metadata={"note": "secret, too"}
        )
    items = await ports.state.list_items(SCOPE)

    assert await values_of(saver, thread("t")) == {"messages": messages[:8]}
    assert not [item for item in items if b"secret" in (item.content or b"")]
    assert not [item for item in items if "secret" in str(item.data)]
    assert await ports.store.get_events(SCOPE) == []


@pytest.mark.parametrize(
    ("call", "culprit"),
    [
        (lambda s: s.aget_tuple({}), "thread_id"),
        (lambda s: s.aput_writes(thread("t"), [("a", 1)], "task"), "checkpoint_id"),
        (lambda s: s.aprune(["t"], strategy="keep_some"), "strategy"),
    ],
)
async def test_bad_arguments_are_named(
    saver: AsmCheckpointSaver, call: Any, culprit: str
) -> None:
    """
    What is missing or wrong is named, before anything is read or written.
    """
    with pytest.raises(ValidationError, match=culprit):
        await call(saver)


@pytest.mark.parametrize(
    ("options", "culprit"),
    [({"on_fork": "perhaps"}, "on_fork"), ({"record_messages": 1}, "record_messages")],
)
async def test_bad_options_are_named(
    ports: Ports, options: dict[str, Any], culprit: str
) -> None:
    """
    A wrong option is refused when the saver is made.
    """
    with pytest.raises(ValidationError, match=culprit):
        AsmCheckpointSaver(ports, **options)


async def test_ordinary_ports_have_no_synchronous_half(
    saver: AsmCheckpointSaver,
) -> None:
    """
    Without a portal, a synchronous call says what it needs.
    """
    with pytest.raises(UnsupportedOperationError, match="portal"):
        saver.get_tuple(thread("t"))


async def test_what_cannot_be_serialized_writes_nothing(
    saver: AsmCheckpointSaver, ports: Ports
) -> None:
    """
    A put whose value the serializer refuses leaves no trace.
    """
    with pytest.raises(TypeError):
        await Writer(saver, "t").put({"good": TEXT, "bad": object()})

    assert await ports.state.list_items(SCOPE) == []
