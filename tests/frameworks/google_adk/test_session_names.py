"""
Which sessions there are: their names, lists, and what is deleted.
"""

from __future__ import annotations

from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.sessions.session import Session

from asm_async import Ports
from asm_async import Session as StoredSession
from asm_async.errors import ValidationError
from asm_async.integrations.google_adk import (
    AsmSessionService,
)
from tests.frameworks.google_adk.adk_events import changed, said

ME = {"app_name": "app", "user_id": "ann"}
SESSION = {**ME, "session_id": "s1"}


async def _create(service: AsmSessionService, **state: Any) -> Session:
    return await service.create_session(**SESSION, state=state)


async def _get(service: AsmSessionService, **config: Any) -> Session:
    session = await service.get_session(**SESSION, config=GetSessionConfig(**config))
    assert session is not None
    return session


async def test_sessions_are_listed_by_their_last_update(ports: Ports) -> None:
    """
    The session that was written to last comes last, with its state and no events.
    """
    service = AsmSessionService(ports)
    made = [
        await service.create_session(**ME, session_id=name, state={"n": name})
        for name in ("a", "b", "c")
    ]
    await service.append_event(made[0], changed({"user:u": 1}))
    listed = (await service.list_sessions(**ME)).sessions
    assert [session.id for session in listed] == ["b", "c", "a"]
    assert listed[0].state == {"n": "b", "user:u": 1}
    assert all(not session.events for session in listed)
    assert listed[2].last_update_time == made[0].last_update_time
    # What is listed can be written to, as long as nobody else does.
    await service.append_event(listed[0], changed({}))
    with pytest.raises(StaleSessionError):
        await service.append_event(made[1], changed({}))
    await service.append_event(made[0], changed({}))
    with pytest.raises(StaleSessionError):
        await service.append_event(listed[2], changed({}))


async def test_only_adks_sessions_are_listed(ports: Ports) -> None:
    """
    A session of the same agent that is none of ADK's is left out.
    """
    service = AsmSessionService(ports)
    await _create(service)
    for stored in (
        StoredSession.new(id="other", agent_id="app", user_id="ann"),
        StoredSession.new(id="odd", agent_id="app", metadata={"adk": {"app_name": 1}}),
    ):
        await ports.store.save_session(stored)
    assert [s.id for s in (await service.list_sessions(app_name="app")).sessions] == [
        "s1"
    ]


async def test_two_users_may_have_the_same_session_id(ports: Ports) -> None:
    """
    A session is named by app, user and id together, whatever is in these names.
    """
    service = AsmSessionService(ports)
    names = [("a/b", "c", "d"), ("a", "b/c", "d"), ("a", "b", "c/d"), ("", "", "")]
    names += [("x" * 300, "u", "s"), ("NUL\0", "u", "s")]
    for number, (app, user, name) in enumerate(names):
        await service.create_session(
            app_name=app, user_id=user, session_id=name or "e", state={"n": number}
        )
    for number, (app, user, name) in enumerate(names):
        got = await service.get_session(
            app_name=app, user_id=user, session_id=name or "e"
        )
        assert got is not None
        assert got.state == {"n": number}
        listed = await service.list_sessions(app_name=app, user_id=user)
        assert [session.state for session in listed.sessions] == [{"n": number}]


async def test_names_that_are_no_text_are_refused(ports: Ports) -> None:
    """
    A user id that is no text is refused as such.
    """
    service = AsmSessionService(ports)
    number: Any = 7
    with pytest.raises(ValidationError, match="expected a str"):
        await service.create_session(app_name="app", user_id=number)


async def test_a_session_is_created_once(ports: Ports) -> None:
    """
    The second of two sessions of one name is refused, and changes nothing.
    """
    service = AsmSessionService(ports)
    await _create(service, topic="first")
    with pytest.raises(AlreadyExistsError, match="s1"):
        await _create(service, topic="second", **{"user:u": 1})
    assert (await _get(service)).state == {"topic": "first"}


async def test_a_deleted_session_goes_with_its_own_state(ports: Ports) -> None:
    """
    What was its own is gone, what it shares stays, and its objects are refused.
    """
    service = AsmSessionService(ports)
    session = await _create(service, s=1, **{"app:a": 2})
    await service.append_event(session, said("hello"))
    await service.delete_session(**SESSION)
    assert await service.get_session(**SESSION) is None
    assert await ports.state.list_items("adk/app/ann/s1") == []
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, said("again"))
    again = await _create(service)
    assert again.state == {"app:a": 2}
    assert again.events == []
    await service.delete_session(**ME, session_id="unknown")


async def test_an_object_of_an_earlier_session_of_the_name_is_stale(
    ports: Ports,
) -> None:
    """
    A session that was deleted and created anew is another one, to objects of the first.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await service.delete_session(**SESSION)
    await _create(service)
    with pytest.raises(StaleSessionError, match="modified in storage"):
        await service.append_event(session, changed({"s": 1}))
    assert (await _get(service)).state == {}


async def test_a_soft_deleted_session_is_not_there(ports: Ports) -> None:
    """
    It is neither read nor listed nor written to, and its name is taken.
    """
    service = AsmSessionService(ports)
    session = await _create(service)
    await ports.maintenance.soft_delete_session("adk/app/ann/s1")
    assert await service.get_session(**SESSION) is None
    assert (await service.list_sessions(**ME)).sessions == []
    with pytest.raises(SessionNotFoundError):
        await service.append_event(session, said("hello"))
    with pytest.raises(AlreadyExistsError):
        await _create(service)
