"""
What a session promises to the SDK and to its caller.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from agents import SessionSettings
from agents.memory import Session as SDKSession

from asm_async import Event, InMemoryPorts, Ports, Session
from asm_async.errors import (
    EventConflictError,
    SessionDeletedError,
    SessionNotFoundError,
    StoreClosedError,
    ValidationError,
)
from asm_async.integrations.openai_agents import AsmSession
from tests.frameworks.openai_agents.sdk_items import (
    CONVERSATION,
    USER,
    UntypedSession,
    numbered,
)


async def test_items_come_back_equal_and_in_order(ports: Ports) -> None:
    """
    What is read is equal to what was added, also what is no message and no call.
    """
    session = UntypedSession("chat", ports)
    odd = [
        {"z": 1, "a": {"é": [1.5, None, True]}, "nul": "\0"},
        {"type": "message", "role": "narrator", "content": 3},
        {"type": "function_call", "call_id": 1, "name": None, "arguments": {}},
        {"type": ["message"]},
        "text",
        None,
    ]

    await session.add_items(CONVERSATION)
    await session.add_items(odd)

    assert await session.get_items() == CONVERSATION + odd
    assert list((await session.get_items())[5]) == ["z", "a", "nul"]
    assert isinstance(session, SDKSession)


async def test_what_is_read_is_the_callers_own(ports: Ports) -> None:
    """
    Changing an item that was added, or read, changes nothing that is stored.
    """
    session = UntypedSession("chat", ports)
    item = {"role": "user", "content": [{"type": "input_text", "text": "as added"}]}
    await session.add_items([item])
    item["content"] = "changed"
    read = await session.get_items()
    read[0]["content"][0]["text"] = "changed"

    (again,) = await session.get_items()

    assert again == {
        "role": "user",
        "content": [{"type": "input_text", "text": "as added"}],
    }


@pytest.mark.parametrize(
    ("limit", "of_settings", "expected"),
    [
        (None, None, 5),
        (None, 2, 2),
        (3, 2, 3),
        (0, 2, 0),
        (None, 0, 0),
        (-1, 2, 5),
        (None, -7, 5),
        (9, None, 5),
    ],
)
async def test_a_limit_counts_the_latest_items(
    ports: Ports, limit: int | None, of_settings: int | None, expected: int
) -> None:
    """
    A negative limit is none, 0 returns nothing, and None leaves it to the settings.
    """
    settings = SessionSettings(limit=of_settings)
    session = UntypedSession("chat", ports, session_settings=settings)
    await session.add_items(numbered(5))

    assert await session.get_items(limit) == numbered(5)[5 - expected :]


async def test_a_limit_counts_items_and_not_what_others_append(ports: Ports) -> None:
    """
    Between events of others, a limit still finds as many items as there are.
    """
    session = UntypedSession("chat", ports)
    for number in range(6):
        await session.add_items(numbered(1, first=number))
        await ports.store.append_events(
            [
                _event("myapp.seen", {"original": "none of ours"}),
                _event("message_sent", {"content": "by the application"}),
                _event("myapp.seen", {}),
            ]
        )

    assert await session.get_items(4) == numbered(4, first=2)
    assert await session.get_items(7) == await session.get_items() == numbered(6)


async def test_the_session_is_made_with_the_first_items(ports: Ports) -> None:
    """
    Reading makes no session, and the first items make one, as it was described.
    """
    session = UntypedSession(
        "chat", ports, agent_id="weather", user_id="ann", metadata={"title": "Paris"}
    )
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.clear_session()
    await session.add_items([])
    with pytest.raises(SessionNotFoundError):
        await ports.store.get_session("chat")

    await session.add_items([USER])

    stored = await ports.store.get_session("chat")
    assert (stored.agent_id, stored.user_id, stored.status) == (
        "weather",
        "ann",
        "active",
    )
    assert stored.metadata == {"title": "Paris"}
    assert stored.last_activity_at is not None


async def test_a_session_that_is_there_stays_as_it_is(ports: Ports) -> None:
    """
    Items go to a session of the application's own as they do to one of the adapter.
    """
    await ports.store.save_session(Session.new(id="chat", agent_id="mine"))

    await UntypedSession("chat", ports, agent_id="other").add_items([USER])

    assert (await ports.store.get_session("chat")).agent_id == "mine"
    assert await UntypedSession("chat", ports).get_items() == [USER]


@pytest.mark.parametrize("session_id", ["", "x" * 300, "nul\0", "\ud800"])
async def test_any_text_names_a_session(ports: Ports, session_id: str) -> None:
    """
    An id that the store could not hold is stored under another, and is one session.
    """
    session = UntypedSession(session_id, ports)
    await session.add_items([USER])

    assert await UntypedSession(session_id, ports).get_items() == [USER]
    assert await UntypedSession(session_id + "y", ports).get_items() == []
    stored = await ports.store.get_session(session.stored_session_id)
    assert stored.id.startswith("openai-agents")
    assert session.session_id == session_id


async def test_a_readable_id_is_ours_as_well() -> None:
    """
    An id that the store can hold is stored as it is.
    """
    async with InMemoryPorts() as ports:
        assert UntypedSession("user/1 é", ports).stored_session_id == "user/1 é"


async def test_another_tenants_session_is_not_found(ports: Ports) -> None:
    """
    A session of one tenant looks empty to another, who can write nothing to it.
    """
    ours = UntypedSession("chat", ports, tenant_id="acme")
    theirs = UntypedSession("chat", ports, tenant_id="globex")
    await ours.add_items([USER])

    assert await theirs.get_items() == []
    assert await theirs.pop_item() is None
    await theirs.clear_session()
    assert await theirs._get_compaction_snapshot(3) is not None
    with pytest.raises(SessionNotFoundError):
        await theirs.add_items([USER])
    assert await ours.get_items() == [USER]


async def test_ids_of_the_caller_make_adding_repeatable(ports: Ports) -> None:
    """
    Items under ids that are stored are not added again; another item is refused.
    """
    first = UntypedSession("chat", ports)
    await first.add_items(numbered(2), event_ids=["a", "b"])

    again = UntypedSession("chat", ports)
    await again.add_items(numbered(2), event_ids=["a", "b"])
    await again.add_items(numbered(3), event_ids=["a", "b", "c"])

    assert await first.get_items() == numbered(3)
    with pytest.raises(EventConflictError):
        await again.add_items(numbered(2, first=7), event_ids=["d", "a"])
    assert await first.get_items() == numbered(3)
    with pytest.raises(
        ValidationError, match="event_ids: expected 2, one for each item"
    ):
        await again.add_items(numbered(2), event_ids=["e"])


async def test_items_belong_to_the_run_of_the_caller(ports: Ports) -> None:
    """
    With the id of a run, the events of items are of that run.
    """
    await UntypedSession("chat", ports, run_id="run_1").add_items(CONVERSATION)

    events = await ports.store.get_events("chat", run_id="run_1")
    assert len(events) == len(CONVERSATION)


@pytest.mark.parametrize(
    ("item", "place"),
    [
        ({"content": object()}, r"items\[1\]\['content'\]"),
        ({"content": math.nan}, r"items\[1\]\['content'\]"),
        ({"role": "user", "content": [{1: 2}]}, r"items\[1\]\['content'\]\[0\]"),
        (b"bytes", r"items\[1\]"),
    ],
)
async def test_an_item_that_is_no_json_is_refused(
    ports: Ports, item: Any, place: str
) -> None:
    """
    A TypeError names what is no JSON value, and nothing is written.
    """
    session = UntypedSession("chat", ports)

    with pytest.raises(TypeError, match=place):
        await session.add_items([USER, item, USER])

    assert await session.get_items() == []
    with pytest.raises(SessionNotFoundError):
        await ports.store.get_session("chat")


async def test_a_wrong_argument_is_named(ports: Ports) -> None:
    """
    What is no list, no ports, no id or no option is refused before anything is done.
    """
    wrong = {"role": "user"}
    with pytest.raises(ValidationError, match=r"^items: expected a list, got a dict"):
        await UntypedSession("chat", ports).add_items(wrong)
    no_id = 3
    with pytest.raises(ValidationError, match=r"parts\[0\]|session_id"):
        UntypedSession(no_id, ports)
    no_ports = ports.store
    with pytest.raises(ValidationError, match=r"^ports: "):
        UntypedSession("chat", no_ports)
    with pytest.raises(ValidationError, match=r"^run_id: "):
        UntypedSession("chat", ports, run_id="")
    misspelt = {"user": "ann"}
    with pytest.raises(TypeError, match="user"):
        UntypedSession("chat", ports, **misspelt)
    with pytest.raises(ValidationError, match=r"^url: "):
        AsmSession.from_url("chat", "")


async def test_a_soft_deleted_session_takes_nothing(ports: Ports) -> None:
    """
    What is added to a soft-deleted session is refused, and nothing is taken back of it.
    """
    session = UntypedSession("chat", ports)
    await session.add_items([USER])
    await ports.maintenance.soft_delete_session("chat")

    with pytest.raises(SessionDeletedError):
        await session.add_items([USER])
    with pytest.raises(SessionDeletedError):
        await session.pop_item()


async def test_a_deleted_session_begins_anew(ports: Ports) -> None:
    """
    After a hard deletion the next items make the session again.
    """
    session = UntypedSession("chat", ports)
    await session.add_items(numbered(2))
    await ports.store.delete_session("chat")
    assert await session.get_items() == []
    assert await session.pop_item() is None

    await session.add_items(numbered(1, first=5))

    assert await session.get_items() == numbered(1, first=5)


async def test_a_closed_session_is_refused_and_its_ports_stay_open(
    ports: Ports,
) -> None:
    """
    Closing a session closes no ports that were handed to it.
    """
    session = UntypedSession("chat", ports)
    await session.add_items([USER])
    session.close()

    with pytest.raises(StoreClosedError, match="'chat' was closed"):
        await session.get_items()
    with pytest.raises(StoreClosedError):
        await session.add_items([])
    assert await UntypedSession("chat", ports).get_items() == [USER]


def _event(event_type: str, data: dict[str, Any]) -> Event:
    return Event.new(type=event_type, session_id="chat", data=data)
