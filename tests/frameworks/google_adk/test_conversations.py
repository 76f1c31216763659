"""
A session of ADK as all else sees it: transcripts, searches, usage, retractions, copies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.events.event import Event
from google.adk.sessions.in_memory_session_service import InMemorySessionService
from google.adk.sessions.session import Session
from google.genai import types

from asm_async import EventType, Ports
from asm_async.conventions import shape_warnings
from asm_async.errors import SessionNotFoundError
from asm_async.integrations.google_adk import AsmSessionService
from asm_async.integrations.records.adk_names import SessionName
from asm_async.transcripts import read_transcript
from asm_async.values.run import RunStatus
from tests.frameworks.google_adk.adk_events import (
    answered,
    called,
    changed,
    said,
    usage,
)

SESSION = {"app_name": "app", "user_id": "ann", "session_id": "s1"}
ID = "adk/app/ann/s1"
MODEL = {"model_version": "gemini-2.5-flash"}


async def _talk(service: AsmSessionService) -> Session:
    session = await service.create_session(**SESSION)
    call = called("c1", "c2", text="Let me see.", **MODEL, usage_metadata=usage(10, 5))
    for event in (
        said("How warm is it?"),
        call,
        answered("c1"),
        answered("c2", response={"error": "no such city"}),
        said("20 degrees.", author="agent", **MODEL, usage_metadata=usage(30, 7)),
        changed({"k": 1}),
    ):
        await service.append_event(session, event)
    return session


async def test_a_transcript_reads_as_the_conversation(ports: Ports) -> None:
    """
    It has the messages, the calls and their results, in the forms of providers, too.
    """
    await _talk(AsmSessionService(ports))
    transcript = await read_transcript(ports.store, ID)
    told = transcript.to_openai()
    assert told.left_out == ()
    messages: list[Any] = list(told)
    assert [message["role"] for message in messages] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert messages[0]["content"] == "How warm is it?"
    assert messages[1]["content"] == "Let me see."
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["c1", "c2"]
    assert messages[2]["content"] == '{"degrees":20}'
    assert "no such city" in messages[3]["content"]
    assert messages[4]["content"] == "20 degrees."


async def test_events_have_the_layout_of_the_conventions(ports: Ports) -> None:
    """
    Each is of the type that says what it says, and the record stands once.
    """
    await _talk(AsmSessionService(ports))
    events = await ports.store.get_events(ID)
    assert [event.type for event in events] == [
        EventType.SESSION_CREATED,
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_RECEIVED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.TOOL_CALL_FAILED,
        EventType.MESSAGE_RECEIVED,
        "adk.event",
    ]
    assert not [warning for event in events for warning in shape_warnings(event)]
    assert ["original" in event.data for event in events] == [
        *(False, True, True, False, False, True, True, True, True)
    ]
    assert {event.run_id for event in events[1:]} == {"e-1"}
    assert events[2].metadata == {"author": "agent"}


async def test_an_invocation_is_a_run_with_its_tokens(ports: Ports) -> None:
    """
    The run has what was asked, answered and consumed, and summaries count it.
    """
    await _talk(AsmSessionService(ports))
    (run,) = await ports.store.list_runs(ID)
    assert (run.id, run.status) == ("e-1", RunStatus.COMPLETED)
    assert (run.input, run.output) == ("How warm is it?", "20 degrees.")
    assert (run.input_tokens, run.output_tokens, run.model) == (
        40,
        12,
        MODEL["model_version"],
    )
    summary = await ports.query.get_usage_summary(user_id="ann")
    assert summary.total_tokens == 52


async def test_an_error_is_an_event_and_fails_the_run(ports: Ports) -> None:
    """
    An error of the model stands in the log, and the run has failed.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION)
    error = Event(author="agent", invocation_id="e-1", error_code="SAFETY")
    await service.append_event(session, error)
    await service.append_event(session, said("after all", author="agent"))
    events = await ports.store.get_events(ID, type=EventType.ERROR_OCCURRED)
    assert [event.data["error_code"] for event in events] == ["SAFETY"]
    (run,) = await ports.store.list_runs(ID)
    assert run.status is RunStatus.FAILED
    assert run.error == {"error_message": "SAFETY", "error_code": "SAFETY"}


async def test_images_are_told_and_thoughts_are_not(ports: Ports) -> None:
    """
    A transcript has images whole, other data by name, code as text, and no thought.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION)
    code = types.Part(executable_code=types.ExecutableCode(code="1 + 1"))
    parts = [
        types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"),
        types.Part.from_bytes(data=b"RIFF", mime_type="audio/wav"),
        types.Part.from_uri(file_uri="gs://b/i.png", mime_type="image/png"),
        types.Part.from_uri(file_uri="gs://b/f.pdf", mime_type="application/pdf"),
        types.Part(text="secret", thought=True),
        code,
        types.Part(code_execution_result=types.CodeExecutionResult(output="2")),
    ]
    content = types.Content(role="user", parts=parts)
    await service.append_event(session, Event(author="user", content=content))
    (message,) = (await read_transcript(ports.store, ID)).messages
    assert isinstance(message.content, list)
    assert [part.get("text") for part in message.content] == [
        None,
        "[audio/wav, 4 bytes]",
        None,
        "[application/pdf, gs://b/f.pdf]",
        "1 + 1",
        "2",
    ]
    assert message.content[0]["source"]["data"] == "iVBORw=="
    assert session == await service.get_session(**SESSION)


async def test_a_thought_alone_is_a_message_without_content(ports: Ports) -> None:
    """
    What a model only thinks is no event of another kind.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION)
    part = types.Part(text="hm", thought=True)
    event = Event(author="agent", content=types.Content(role="model", parts=[part]))
    await service.append_event(session, event)
    (_, stored) = await ports.store.get_events(ID)
    assert stored.type is EventType.MESSAGE_RECEIVED
    assert stored.run_id is None
    assert await ports.store.list_runs(ID) == []


async def test_what_was_spoken_is_a_message(ports: Ports) -> None:
    """
    The transcriptions of a live session are what both have said.
    """
    service = AsmSessionService(ports)
    session = await service.create_session(**SESSION)
    heard = types.Transcription(text="hello", finished=True)
    await service.append_event(session, Event(author="user", input_transcription=heard))
    told = types.Transcription(text="hi", finished=True)
    await service.append_event(session, Event(author="a", output_transcription=told))
    messages = (await read_transcript(ports.store, ID)).messages
    assert [(m.role, m.content) for m in messages] == [
        ("user", "hello"),
        ("assistant", "hi"),
    ]


async def test_searches_find_it_by_app_and_user(ports: Ports) -> None:
    """
    The app is the agent, the user is the user, and the names stand in the metadata.
    """
    await _talk(AsmSessionService(ports))
    page = await ports.query.search_sessions(agent_id="app", user_id="ann")
    (found,) = page
    assert found.id == ID
    assert found.metadata["adk"] == SESSION
    events = await ports.query.search_events(types=[EventType.TOOL_CALL_FAILED])
    assert len(events) == 1


async def test_retracted_events_are_not_adks_any_more(ports: Ports) -> None:
    """
    What is retracted is not read, and objects of before are stale.
    """
    service = AsmSessionService(ports)
    session = await _talk(service)
    await ports.store.retract_events(ID, first=3, last=8)
    got = await service.get_session(**SESSION)
    assert got is not None
    assert got.events == [session.events[0], session.events[5]]
    with pytest.raises(ValueError, match="modified in storage"):
        await service.append_event(session, said("more"))
    await service.append_event(got, said("more"))


async def test_a_fork_goes_its_own_way(ports: Ports) -> None:
    """
    It has the events and the state of its source, which learns nothing of it.
    """
    service = AsmSessionService(ports)
    session = await _talk(service)
    fork = await service.fork_session(**SESSION, new_session_id="s2")
    assert (fork.events, fork.state) == (session.events, session.state)
    await service.append_event(fork, said("more", author="agent"))
    await service.append_event(fork, changed({"k": 2}))
    assert await service.get_session(**SESSION) == session
    again = await service.get_session(**{**SESSION, "session_id": "s2"})
    assert again == fork
    # The invocation goes on in the fork under a run of its own.
    (run,) = await ports.store.list_runs("adk/app/ann/s2")
    assert run.id != "e-1"
    with pytest.raises(AlreadyExistsError):
        await service.fork_session(**SESSION, new_session_id="s2")
    with pytest.raises(SessionNotFoundError):
        await service.fork_session(**{**SESSION, "session_id": "none"})
    await service.delete_session(**SESSION)
    assert await service.get_session(**{**SESSION, "session_id": "s2"}) == fork


async def test_a_copy_up_to_an_event_is_one_of_adks(ports: Ports) -> None:
    """
    Copied by hand, and cut, it is read with what it has, and can be written to.
    """
    service = AsmSessionService(ports)
    session = await _talk(service)
    target = SessionName("app", "ann", "cut").new_session(datetime.now(UTC))
    await ports.store.copy_session(ID, target, through=2)
    cut = await service.get_session(**{**SESSION, "session_id": "cut"})
    assert cut is not None
    assert cut.events == session.events[:1]
    stale = cut.model_copy(deep=True)
    await service.append_event(cut, said("another way", author="agent"))
    with pytest.raises(ValueError, match="modified in storage"):
        await service.append_event(stale, said("too late"))
    assert await service.get_session(**{**SESSION, "session_id": "cut"}) == cut


async def test_a_session_of_another_service_comes_as_it_is(ports: Ports) -> None:
    """
    What is imported has the events, the state and the times of the other service.
    """
    theirs, ours = InMemorySessionService(), AsmSessionService(ports)
    old = await theirs.create_session(**SESSION, state={"a": 1, "user:u": 2})
    for event in (said("hi"), said("ho", author="agent", usage_metadata=usage(1, 2))):
        await theirs.append_event(old, event)
    await theirs.append_event(old, changed({"a": 3, "app:n": 4}))
    imported = await ours.import_session(old)
    assert imported.model_dump() == old.model_dump()
    assert imported == await ours.get_session(**SESSION)
    (run,) = await ports.store.list_runs(ID)
    assert (run.input, run.output, run.total_tokens) == ("hi", "ho", 3)
    await ours.append_event(imported, said("more"))
    with pytest.raises(AlreadyExistsError):
        await ours.import_session(old)
    empty = Session(id="s3", app_name="app", user_id="ann")
    assert (await ours.import_session(empty)).events == []
