"""
Checkpoints of workflows, as the framework's storages keep them.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from agent_framework import (
    InMemoryCheckpointStorage,
    WorkflowCheckpoint,
    WorkflowCheckpointException,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async import Ports, Session, StateItem, errors
from asm_async.integrations.agent_framework import AsmCheckpointStorage
from asm_async.portal import Portal
from tests.frameworks.agent_framework.framework_values import checkpoints

IDS = ["a", "b/\0", "c" * 1_100, ""]
NAMES = ["w", "w/ü\0", ""]
MISSING = "is missing"

steps = st.one_of(
    st.tuples(
        st.just("save"), checkpoints(st.sampled_from(IDS), st.sampled_from(NAMES))
    ),
    st.tuples(st.sampled_from(["load", "delete"]), st.sampled_from(IDS)),
)


@dataclass
class Order:
    """
    A type of the application's own.
    """

    item: str


def checkpoint(**members: Any) -> WorkflowCheckpoint:
    """
    Make a checkpoint of the workflow ``w``.
    """
    given: dict[str, Any] = {"workflow_name": "w", "graph_signature_hash": "h"}
    return WorkflowCheckpoint(**{**given, **members})


async def outcome_of(storage: Any, verb: str, subject: Any) -> object:
    """
    Return what a step returns, or that it found nothing.
    """
    try:
        return repr(await getattr(storage, verb)(subject))
    except WorkflowCheckpointException:
        return MISSING


async def seen_of(storage: Any, name: str) -> list[str]:
    """
    Return what a storage has of a workflow, in the order of time.
    """
    found = await storage.list_checkpoints(workflow_name=name)
    found.sort(key=lambda each: each.timestamp)
    listed = await storage.list_checkpoint_ids(workflow_name=name)
    latest = await storage.get_latest(workflow_name=name)
    return [repr(found), repr(sorted(listed)), repr(latest)]


@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=st.lists(steps, max_size=8))
def test_a_storage_is_as_theirs_in_memory(portal: Portal, script: list[Any]) -> None:
    """
    Whatever is saved, replaced, loaded and deleted, both have the same.
    """

    async def perform() -> None:
        theirs = InMemoryCheckpointStorage()
        ours = AsmCheckpointStorage(portal.ports, namespace=uuid.uuid4().hex)
        for verb, subject in script:
            expected = await outcome_of(theirs, verb, subject)
            assert await outcome_of(ours, verb, subject) == expected
            for name in NAMES:
                assert await seen_of(ours, name) == await seen_of(theirs, name)

    asyncio.run(perform())


@pytest.mark.parametrize(
    "state",
    [
        {"by_number": {1: "one", 2: {"deep": {None: [{(1, 2): b"x"}]}}}},
        {"named": {"__pickled__": "text", "__type__": "builtins:dict"}},
        {"same_as_text": {1: "number", "1": "text"}},
    ],
)
async def test_keys_stay_what_they_are(ports: Ports, state: dict[str, Any]) -> None:
    """
    An object has the keys that it had, also those that JSON has not.
    """
    storage = AsmCheckpointStorage(ports)
    checkpoint_id = await storage.save(checkpoint(state=state))

    assert repr((await storage.load(checkpoint_id)).state) == repr(state)


async def test_checkpoints_are_listed_by_time(ports: Ports) -> None:
    """
    The order is that of the times, in whatever zone they are written.
    """
    storage = AsmCheckpointStorage(ports)
    times = {
        "third": "2026-08-07T12:00:00+00:00",
        "first": "2026-08-07T12:30:00+02:00",
        "second": "2026-08-07T11:00:00",
    }
    for name, time in times.items():
        await storage.save(checkpoint(checkpoint_id=name, timestamp=time))

    ids = await storage.list_checkpoint_ids(workflow_name="w")
    found = await storage.list_checkpoints(workflow_name="w")
    latest = await storage.get_latest(workflow_name="w")

    assert ids == [each.checkpoint_id for each in found] == ["first", "second", "third"]
    assert latest is not None
    assert latest.checkpoint_id == "third"


async def test_namespaces_are_apart(ports: Ports) -> None:
    """
    A storage sees nothing of the checkpoints of another namespace.
    """
    one = AsmCheckpointStorage(ports, namespace="one")
    two = AsmCheckpointStorage(ports, namespace="two")
    saved = await one.save(checkpoint())

    assert await two.list_checkpoint_ids(workflow_name="w") == []
    assert not await two.delete(saved)
    assert (await one.load(saved)).checkpoint_id == saved


async def test_a_type_that_is_not_allowed_is_not_saved(ports: Ports) -> None:
    """
    What could not be loaded is refused when it is saved, and nothing is stored.
    """
    storage = AsmCheckpointStorage(ports)
    with pytest.raises(WorkflowCheckpointException, match="Order"):
        await storage.save(checkpoint(state={"order": Order("a")}))
    with pytest.raises(WorkflowCheckpointException, match="cannot be stored"):
        await storage.save(checkpoint(state={"order": lambda: None}))

    assert await storage.list_checkpoint_ids(workflow_name="w") == []


async def test_a_type_that_is_not_allowed_is_not_loaded(ports: Ports) -> None:
    """
    Who allows less than the writer is told so, and what else there is can be read.
    """
    key = f"{Order.__module__}:Order"
    generous = AsmCheckpointStorage(ports, allowed_checkpoint_types=[key])
    saved = await generous.save(checkpoint(state={"order": Order("a")}))
    assert (await generous.load(saved)).state == {"order": Order("a")}

    strict = AsmCheckpointStorage(ports)
    with pytest.raises(WorkflowCheckpointException, match=saved):
        await strict.load(saved)
    with pytest.raises(WorkflowCheckpointException, match=saved):
        await strict.get_latest(workflow_name="w")
    with pytest.raises(WorkflowCheckpointException, match=saved):
        await strict.list_checkpoints(workflow_name="w")
    assert await strict.list_checkpoint_ids(workflow_name="w") == [saved]
    assert await strict.delete(saved)


async def test_a_checkpoint_is_copied_when_it_is_saved(ports: Ports) -> None:
    """
    What becomes of it later, or of what was loaded, does not reach the store.
    """
    storage = AsmCheckpointStorage(ports)
    given = checkpoint(state={"list": [1]})
    saving = asyncio.ensure_future(storage.save(given))
    await asyncio.sleep(0)
    given.state["list"].append(2)
    saved = await saving
    (await storage.load(saved)).state["list"].append(3)

    assert (await storage.load(saved)).state == {"list": [1]}


@pytest.mark.parametrize(
    ("members", "culprit"),
    [
        ({"timestamp": "yesterday"}, "yesterday"),
        ({"state": {"big": "x" * (64 * 2**20)}}, "content"),
    ],
)
async def test_what_cannot_be_stored_is_refused(
    ports: Ports, members: dict[str, Any], culprit: str
) -> None:
    """
    The error is the framework's and names what is wrong; nothing is stored.
    """
    storage = AsmCheckpointStorage(ports)

    with pytest.raises(WorkflowCheckpointException, match=culprit):
        await storage.save(checkpoint(**members))

    assert await storage.list_checkpoint_ids(workflow_name="w") == []


async def test_wrong_arguments_are_refused(ports: Ports) -> None:
    """
    The error names the argument.
    """
    wrong: Any = 5
    storage = AsmCheckpointStorage(ports)
    for options in ({"namespace": ""}, {"allowed_checkpoint_types": wrong}):
        with pytest.raises(errors.ValidationError, match=next(iter(options))):
            AsmCheckpointStorage(ports, **options)
    with pytest.raises(errors.ValidationError, match="checkpoint"):
        await storage.save(wrong)
    with pytest.raises(errors.ValidationError):
        await storage.load(wrong)


async def test_one_of_many_deletes_it(ports: Ports) -> None:
    """
    Of all who delete a checkpoint at the same time exactly one is told it was there.
    """
    storage = AsmCheckpointStorage(ports)
    for _ in range(5):
        saved = await storage.save(checkpoint())
        answers = await asyncio.gather(*[storage.delete(saved) for _ in range(6)])
        assert sorted(answers) == [False] * 5 + [True]


async def test_one_of_many_that_are_saved_stays(ports: Ports) -> None:
    """
    Of all who save under one id, for several workflows, one is there, and whole.
    """
    storage = AsmCheckpointStorage(ports)
    written = [
        checkpoint(checkpoint_id="c", workflow_name=f"w{number % 3}", iteration_count=n)
        for number, n in enumerate(range(9))
    ]
    await asyncio.gather(*[storage.save(each) for each in written])

    last = await storage.load("c")
    listed = [
        found
        for number in range(3)
        for found in await storage.list_checkpoints(workflow_name=f"w{number}")
    ]

    assert listed == [last]
    assert last in written


async def test_checkpoints_go_with_their_session(ports: Ports) -> None:
    """
    What is deleted for ever with its session is not found any more.
    """
    await ports.store.save_session(Session.new(id="ses", agent_id="a"))
    storage = AsmCheckpointStorage(ports, session_id="ses")
    saved = await storage.save(checkpoint())

    await ports.store.delete_session("ses")

    assert await storage.list_checkpoint_ids(workflow_name="w") == []
    with pytest.raises(WorkflowCheckpointException, match=saved):
        await storage.load(saved)
    with pytest.raises(errors.SessionNotFoundError):
        await storage.save(checkpoint())


async def test_a_lost_content_is_told(ports: Ports) -> None:
    """
    A checkpoint whose item somebody else has removed is not taken for one never saved.
    """
    storage = AsmCheckpointStorage(ports)
    saved = await storage.save(checkpoint())
    scope = "agent-framework.workflow/default/w"
    (item,) = await ports.state.list_items(scope)
    assert isinstance(item, StateItem)
    await ports.state.delete_scope(scope)

    with pytest.raises(WorkflowCheckpointException, match="lost its content"):
        await storage.load(saved)
