"""
What ADK asks of a session service, and what ours promises beyond it.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions import _rewind_utils as rewinding
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session
from google.genai import types

from asm_async import Ports
from asm_async.errors import EventConflictError, ValidationError
from asm_async.integrations.google_adk import (
    AsmSessionService,
    session_id_of,
    state_scope_of,
)
from tests.frameworks.google_adk.adk_events import called, changed, said, usage

ME = {"app_name": "app", "user_id": "ann"}
SESSION = {**ME, "session_id": "s1"}


async def _create(service: AsmSessionService, **state: Any) -> Session:
    return await service.create_session(**SESSION, state=state)


async def _get(service: AsmSessionService, **config: Any) -> Session:
    session = await service.get_session(**SESSION, config=GetSessionConfig(**config))
    assert session is not None
    return session


async def test_what_is_read_is_equal_to_what_was_written(ports: Ports) -> None:
    """
    A session is equal to the object it was written through, private marker included.
    """
    service = AsmSessionService(ports)
    session = await _create(service, topic="rain")
    assert session == await _get(service)
    await service.append_event(session, said("hello"))
    await service.append_event(session, called("call-1", text="wait"))
    assert session == await _get(service)


async def test_state_has_three_scopes_of_one_item_for_each_key(ports: Ports) -> None:
    """
    Keys are items of the app's, the user's and the session's scope; temp: is none.
    """
    service = AsmSessionService(ports)
    state = {"app:a": 1, "user:u": 2, "s": 3, "temp:t": 4}
    session = await service.create_session(**SESSION, state=state)
    own = session_id_of("app", "ann", "s1")
    assert own == "adk/app/ann/s1"
    assert state_scope_of("app") == "adk/app"
    assert state_scope_of("app", "ann") == "adk/app/ann"
    for scope, key, data, owner in (
        ("adk/app", "a", 1, None),
        ("adk/app/ann", "u", 2, None),
        (own, "s", 3, own),
    ):
        item = (await ports.state.get_items(scope, [key]))[key]
        assert (item.data, item.session_id) == (data, owner)
    assert session.state == {"app:a": 1, "user:u": 2, "s": 3}


@pytest.mark.parametrize("key", ["", "x" * 2_000, "NUL \0", "asm.session", "\ud800"])
async def test_any_key_is_a_key(ports: Ports, key: str) -> None:
    """
    A key that no item can have, or that looks like ours, comes back as it was.
    """
    service = AsmSessionService(ports)
    session = await _create(service, **{key: 1, f"user:{key}": 2, f"app:{key}": 3})
    await service.append_event(session, changed({key: [4]}))
    expected = {key: [4], f"user:{key}": 2, f"app:{key}": 3}
    assert (await _get(service)).state == expected
    assert await service.get_user_state(**ME) == {key: 2}


async def test_values_without_json_are_stored_as_text(ports: Ports) -> None:
    """
    A function in the state does not fail the append: its text is stored.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.append_event(session, changed({"f": print, "set": {1}}))
    state = (await _get(service)).state
    assert (state["f"], state["set"]) == (repr(print), [1])


async def test_a_value_that_cannot_be_stored_is_named(ports: Ports) -> None:
    """
    NaN in the state is refused by the key's name, and nothing is written.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    with pytest.raises(ValidationError, match=r"state_delta.*'bad'"):
        await service.append_event(session, changed({"good": 1, "bad": math.nan}))
    with pytest.raises(ValidationError, match=r"state.*'bad'"):
        await service.create_session(**ME, session_id="s2", state={"bad": math.inf})
    assert (await _get(service)).state == {}
    assert [s.id for s in (await service.list_sessions(**ME)).sessions] == ["s1"]


async def test_a_time_that_is_none_is_named(ports: Ports) -> None:
    """
    An event at no time is refused before anything is written.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    with pytest.raises(ValidationError, match=r"event\.timestamp"):
        await service.append_event(session, changed({}, timestamp=math.nan))
    assert (await _get(service)).events == []


async def test_numbers_that_are_not_finite_come_back(ports: Ports) -> None:
    """
    A model's log probability of minus infinity is stored, and is that again.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.append_event(session, said("x", author="a", avg_logprobs=-math.inf))
    assert (await _get(service)).events[0].avg_logprobs == -math.inf


async def test_partial_events_are_not_stored(ports: Ports) -> None:
    """
    A partial event is returned, and neither the object nor the store has it.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    event = said("par", author="agent", partial=True)
    assert await service.append_event(session, event) is event
    assert session.events == (await _get(service)).events == []


async def test_temp_state_is_for_the_object_alone(ports: Ports) -> None:
    """
    temp: keys are in the session object, and neither in its event nor in the store.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    event = changed({"temp:t": 1, "s": 2})
    await service.append_event(session, event)
    assert session.state == {"temp:t": 1, "s": 2}
    assert event.actions.state_delta == {"s": 2}
    got = await _get(service)
    assert got.state == {"s": 2}
    assert got.events == [event]


async def test_recent_events_are_the_last_of_adks_own(ports: Ports) -> None:
    """
    Calls, results and what others append are no events of ADK, and count as none.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    for number in range(40):
        calls = [f"call-{number}-{i}" for i in range(3)]
        await service.append_event(session, called(*calls, timestamp=float(number)))
    got = await _get(service, num_recent_events=35)
    assert [event.timestamp for event in got.events] == list(range(5, 40))
    got = await _get(service, num_recent_events=3, after_timestamp=38.0)
    assert [event.timestamp for event in got.events] == [38, 39]
    assert (await _get(service, num_recent_events=0)).events == []


@pytest.mark.parametrize("timestamp", [1e300, -1e300, 1_700_000_000.123456789])
async def test_any_earliest_time_is_taken(ports: Ports, timestamp: float) -> None:
    """
    after_timestamp is inclusive to the last bit, and may be no time at all.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.append_event(session, said("x", timestamp=1_700_000_000.123456789))
    got = await _get(service, after_timestamp=timestamp)
    assert len(got.events) == (timestamp < 1e300)


async def test_an_event_is_appended_once(ports: Ports) -> None:
    """
    The same event again, to an object that has it or one that lost it, is no second.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    before = await _get(service)
    event = said("hi", author="agent", usage_metadata=usage(1, 2))
    event.actions.state_delta = {"n": 1}
    await service.append_event(session, event)
    await service.append_event(session, event)
    await service.append_event(before, event.model_copy(deep=True))
    assert session == before == await _get(service)
    (run,) = await ports.store.list_runs("adk/app/ann/s1")
    assert run.total_tokens == 3


async def test_another_event_of_the_same_id_is_refused(ports: Ports) -> None:
    """
    An id is that of one event, and the error says so.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.append_event(session, said("hi", id="one"))
    with pytest.raises(EventConflictError, match="one"):
        await service.append_event(session, said("ho", id="one"))


@pytest.mark.parametrize("event_id", ["x" * 300, "NUL \0", "adk-part/one/1"])
async def test_any_event_id_is_an_id(ports: Ports, event_id: str) -> None:
    """
    An id that our events cannot have, or that looks like ours, comes back as it was.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.append_event(session, called("c1", "c2", id="one"))
    await service.append_event(session, called("c1", "c2", id=event_id))
    got = await _get(service)
    assert [event.id for event in got.events] == ["one", event_id]


async def test_an_object_without_a_marker_is_known_by_its_last_event(
    ports: Ports,
) -> None:
    """
    A session made of JSON is written to if its last event is the stored one, else not.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    first = Session.model_validate_json(session.model_dump_json())
    await service.append_event(first, said("one"))
    second = Session.model_validate_json(first.model_dump_json())
    await service.append_event(second, said("two"))
    for stale in (session, Session.model_validate_json(first.model_dump_json())):
        with pytest.raises(StaleSessionError, match="modified in storage"):
            await service.append_event(stale, said("three"))
    assert [e.content for e in (await _get(service)).events] == [
        e.content for e in second.events
    ]


async def test_a_rewind_takes_state_back(ports: Ports) -> None:
    """
    ADK's rewind is appended as it is: keys that came later are None, others as before.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    first = changed({"k": 1})
    first.invocation_id = "e-first"
    await service.append_event(session, first)
    await service.append_event(session, changed({"k": 2, "new": 3, "user:u": 4}))
    await rewinding.rewind_session(
        session_service=service, session=session, rewind_before_invocation_id="e-1"
    )
    got = await _get(service)
    assert got == session
    assert got.state == {"k": 1, "new": None, "user:u": 4}
    assert got.events[-1].actions.rewind_before_invocation_id == "e-1"


async def test_an_event_of_everything_comes_back(ports: Ports) -> None:
    """
    An event with data in its content and every kind of field comes back equal.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    image = types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")
    event = Event(
        invocation_id="e-1",
        author="agent",
        content=types.Content(role="model", parts=[image, types.Part(text="see")]),
        grounding_metadata=types.GroundingMetadata(
            search_entry_point=types.SearchEntryPoint(sdk_blob=b"blob")
        ),
        actions=EventActions(artifact_delta={"f": 0}, transfer_to_agent="other"),
        long_running_tool_ids={"b", "a"},
        custom_metadata={"k": [1]},
        usage_metadata=usage(1, 2),
        turn_complete=True,
        partial=False,
        branch="root.agent",
        error_code="MAX_TOKENS",
    )
    await service.append_event(session, event)
    assert (await _get(service)).events == [event]


async def test_the_service_leaves_ports_open_that_it_was_given(ports: Ports) -> None:
    """
    Closing the service closes what it opened, and nothing else.
    """
    async with AsmSessionService(ports) as service:
        await _create(service)
        await service.flush()
    assert await AsmSessionService(ports).get_session(**SESSION) is not None
