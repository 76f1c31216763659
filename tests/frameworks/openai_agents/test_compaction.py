"""
What the SDK's compaction asks of a session by a private method.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from typing import Any

import agents.memory.session as sdk_sessions
import pytest
from agents.memory import OpenAIResponsesCompactionSession, SQLiteSession

from asm_async import Event, Ports
from asm_async.integrations.openai_agents import AsmSession
from tests.frameworks.openai_agents.sdk_items import (
    UntypedSession,
    numbered,
)

SUMMARY: Any = {"type": "compaction", "id": "cmp_1", "encrypted_content": "..."}


async def taken(session: AsmSession, limit: int, **options: Any) -> Any:
    """
    Return the snapshot that the SDK would be given.
    """
    snapshot = await session._get_compaction_snapshot(limit, **options)
    assert snapshot is not None
    return snapshot


def test_the_private_method_is_that_of_the_sdk() -> None:
    """
    The SDK still looks for this method by its name, and for what it returns.
    """
    ours = inspect.signature(AsmSession._get_compaction_snapshot)
    theirs = inspect.signature(SQLiteSession._get_compaction_snapshot)
    asks = inspect.getsource(OpenAIResponsesCompactionSession)
    fields = dataclasses.fields(sdk_sessions._CompactionSnapshot)

    assert [(p.name, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.kind) for p in theirs.parameters.values()
    ]
    assert '"_get_compaction_snapshot", None' in asks
    assert [field.name for field in fields] == ["items", "complete", "replace_suffix"]


async def test_a_snapshot_shows_the_end_of_the_history(ports: Ports) -> None:
    """
    A snapshot has the latest items, and says whether these are all.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(5))

    assert (await taken(session, 3)).items == numbered(5)[2:]
    assert not (await taken(session, 4)).complete
    assert (await taken(session, 5)).complete
    assert (await taken(UntypedSession("new", ports), 5)).items == []


async def test_a_suffix_is_replaced_all_or_nothing(ports: Ports) -> None:
    """
    The replacement stands behind what is left, in one block with the retraction.
    """
    session = UntypedSession("chat", ports, run_id="run_1")
    await session.add_items(numbered(5))
    snapshot = await taken(session, 4)

    assert await snapshot.replace_suffix(1, [SUMMARY, *numbered(1, first=9)])

    assert await session.get_items() == [
        *numbered(2),
        SUMMARY,
        *numbered(1, first=9),
    ]
    events = await ports.store.get_events("chat", after=5)
    assert [event.type for event in events] == [
        "asm.events_retracted",
        "openai.item",
        "message_sent",
    ]
    assert not await snapshot.replace_suffix(1, [SUMMARY])
    assert not await snapshot.replace_suffix(4, [SUMMARY])


@pytest.mark.parametrize("change", ["add", "pop", "clear", "replace"])
async def test_a_history_that_went_on_is_not_replaced(
    ports: Ports, change: str
) -> None:
    """
    A compaction that has not seen the latest change is refused, and changes nothing.
    """
    session, other = UntypedSession("chat", ports), UntypedSession("chat", ports)
    await session.add_items(numbered(5))
    snapshot = await taken(session, 3)
    match change:
        case "add":
            await other.add_items(numbered(1, first=7))
        case "pop":
            await other.pop_item()
        case "clear":
            await other.clear_session()
        case _:
            assert await (await taken(other, 2)).replace_suffix(0, [SUMMARY])
    there = await other.get_items()

    assert not await snapshot.replace_suffix(0, [SUMMARY])

    assert await session.get_items() == there


async def test_events_of_others_are_no_change_of_the_history(ports: Ports) -> None:
    """
    What is no item, such as the end of a run, does not keep a compaction from going on.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(5))
    snapshot = await taken(session, 3)
    await ports.store.append_events(
        [Event.new(type="myapp.note", session_id="chat") for _ in range(3)]
    )

    assert await snapshot.replace_suffix(0, [SUMMARY])

    assert await session.get_items() == [*numbered(2), SUMMARY]


async def test_of_concurrent_compactions_one_wins(ports: Ports) -> None:
    """
    Of several compactions of the same suffix exactly one replaces it.
    """
    await UntypedSession("chat", ports).add_items(numbered(5))
    snapshots = [await taken(UntypedSession("chat", ports), 3) for _ in range(6)]

    won = await asyncio.gather(
        *(
            snapshot.replace_suffix(0, numbered(1, first=100 + place))
            for place, snapshot in enumerate(snapshots)
        )
    )

    place = won.index(True)
    assert won.count(True) == 1
    assert await UntypedSession("chat", ports).get_items() == [
        *numbered(2),
        *numbered(1, first=100 + place),
    ]


async def test_what_has_expired_goes_from_the_beginning(ports: Ports) -> None:
    """
    Items at the beginning go while they are expired, and no further.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(300))

    def is_expired(item: Any) -> bool:
        return int(item["content"]) not in {250, 298, 299}

    snapshot = await taken(session, 2, prune_prefix=is_expired)
    assert await snapshot.replace_suffix(0, [SUMMARY])

    assert await session.get_items() == [*numbered(48, first=250), SUMMARY]


async def test_a_subclass_that_changes_items_has_no_snapshot(ports: Ports) -> None:
    """
    Who brings methods of their own brings a snapshot of their own; others have ours.
    """

    class Changing(AsmSession):
        async def get_items(self, limit: int | None = None) -> Any:
            return (await super().get_items(limit))[::-1]

    class Named(AsmSession):
        pass

    assert await Changing("chat", ports)._get_compaction_snapshot(3) is None
    assert await Named("chat", ports)._get_compaction_snapshot(3) is not None


@pytest.mark.parametrize("theirs", [None, object])
async def test_another_sdk_is_given_no_snapshot(
    ports: Ports, monkeypatch: pytest.MonkeyPatch, theirs: Any
) -> None:
    """
    Where the SDK has no such class, or another, the method returns None.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(3))
    monkeypatch.setattr(sdk_sessions, "_CompactionSnapshot", theirs)

    assert await session._get_compaction_snapshot(2) is None
