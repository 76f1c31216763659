"""
A conversation is a session like others: said, counted, found and erased.
"""

from __future__ import annotations

import pytest
from pydantic_ai.conversation import Conversation
from pydantic_ai.messages import (
    BinaryContent,
    BinaryImage,
    DocumentUrl,
    FilePart,
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    NativeToolCallPart,
    NativeToolReturnPart,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.usage import RequestUsage

from asm_async import EventType, Ports
from asm_async.conventions import shape_warnings
from asm_async.errors import (
    SessionNotFoundError,
)
from asm_async.integrations.pydantic_ai import AsmConversationStore
from asm_async.transcripts import read_transcript
from tests.frameworks.pydantic_ai.told_conversations import (
    ask,
    begin,
    damage,
    originals,
    said,
)

ALL_PARTS: list[ModelMessage] = [
    ModelRequest(
        parts=[
            SystemPromptPart("Be brief."),
            UserPromptPart(
                [
                    "Look:",
                    ImageUrl("https://example.org/a.png"),
                    BinaryImage(b"\xff\x00\xfe", media_type="image/png"),
                    BinaryContent(b"%PDF", media_type="application/pdf"),
                    BinaryContent(b"\x00", media_type="audio/wav"),
                    DocumentUrl("https://example.org/a.pdf"),
                ]
            ),
        ],
        run_id="run-1",
    ),
    ModelResponse(
        parts=[
            ThinkingPart("Hm.", signature="s"),
            TextPart("I look."),
            FilePart(BinaryImage(b"\x01", media_type="image/png")),
            NativeToolCallPart("web_search", {"q": "a"}, "call-0"),
            NativeToolReturnPart("web_search", {"found": []}, "call-0"),
            ToolCallPart("look", '{"at": "it"}', "call-1"),
            ToolCallPart("look", "no JSON", "call-2"),
            ToolCallPart("look", None, "call-3"),
        ],
        usage=RequestUsage(
            input_tokens=9, cache_read_tokens=4, output_tokens=5, details={"x": 1}
        ),
        model_name="m-1",
        provider_name="acme",
        finish_reason="tool_call",
        run_id="run-1",
    ),
    ModelRequest(
        parts=[
            ToolReturnPart("look", {"seen": [1, None, "\x00\ud800"]}, "call-1"),
            ToolReturnPart("look", "Write JSON.", "call-2", outcome="retried"),
            ToolReturnPart("look", "not allowed", "call-3", outcome="denied"),
            RetryFeedbackPart("Once more.", retry=RetryInfo("model_retry")),
        ],
        run_id="run-1",
    ),
    ModelRequest(parts=[]),
    ModelResponse(parts=[TextPart("Done.")], usage=RequestUsage(output_tokens=1)),
]


async def test_every_message_comes_back_equal(ports: Ports) -> None:
    """
    Messages with parts of all kinds are equal after they were stored.
    """
    store = AsmConversationStore(ports)
    await store.save(Conversation(messages=list(ALL_PARTS), conversation_id="all"))

    loaded = await store.load("all")

    assert loaded is not None
    assert loaded.messages == ALL_PARTS
    prompt = loaded.messages[0].parts[1]
    assert isinstance(prompt, UserPromptPart)
    image = prompt.content[2]
    assert isinstance(image, BinaryImage)
    assert image.data == b"\xff\x00\xfe"


async def test_events_have_the_usual_layout_and_each_entry_once(ports: Ports) -> None:
    """
    The events have the conventions' layout, and each message's first its entry.
    """
    store = AsmConversationStore(ports)
    await store.save(Conversation(messages=list(ALL_PARTS), conversation_id="all"))

    session = await store.get_session("all")
    events = await ports.store.get_events(session.id)

    assert [warning for event in events for warning in shape_warnings(event)] == []
    assert [event.type for event in events] == [
        EventType.SESSION_CREATED,
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_RECEIVED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOKEN_USAGE_UPDATED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.TOOL_CALL_FAILED,
        EventType.TOOL_CALL_FAILED,
        EventType.MESSAGE_SENT,
        "pydantic_ai.message",
        EventType.MESSAGE_RECEIVED,
        EventType.TOKEN_USAGE_UPDATED,
    ]
    assert await originals(ports, store, "all") == await store.load_entries("all")
    call = events[6].data
    assert call["tool_input"] == {"at": "it"}
    assert call["tool_input_text"] == '{"at": "it"}'
    assert events[12].data["error_code"] == "denied"


async def test_the_transcript_reads_as_the_conversation(ports: Ports) -> None:
    """
    What user, model and tools have said is the transcript of the session.
    """
    store = AsmConversationStore(ports)
    output = await ask(store, "talk", "How is the weather?")
    session = await store.get_session("talk")

    transcript = await read_transcript(ports.store, session.id)

    assert [message["role"] for message in transcript.to_openai()] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert transcript.to_openai()[-1]["content"] == output == "It is sunny in Turin."


async def test_usage_sums_and_searches_see_the_runs(ports: Ports) -> None:
    """
    Each run of an agent is a run of the session, with its tokens.
    """
    store = AsmConversationStore(ports)
    await ask(store, "talk", "How is it?")
    await ask(store, "talk", "And now?")
    session = await store.get_session("talk")

    runs = await ports.store.list_runs(session.id)
    summary = await ports.query.get_usage_summary(user_id="anna")
    events = await ports.query.search_events(
        user_id="anna", types=EventType.TOOL_CALL_COMPLETED
    )
    record = await store.read_record("talk")

    assert record is not None
    assert [run.turn_count for run in runs] == [2, 2]
    assert summary.total_input_tokens == record.usage.input_tokens == 40
    assert summary.total_output_tokens == record.usage.output_tokens
    assert {event.run_id for event in events} == {run.id for run in runs}


async def test_a_run_saved_in_parts_is_one_run(ports: Ports) -> None:
    """
    What a later save adds to a run is added to its tokens.
    """
    store = AsmConversationStore(ports)
    usage = RequestUsage(input_tokens=2, output_tokens=1)
    conversation = Conversation(conversation_id="parts")
    for run_id in ("a", "b", "a"):
        part = ModelResponse(parts=[TextPart("x")], usage=usage, run_id=run_id)
        conversation.messages.append(part)
        await store.save(conversation)
    session = await store.get_session("parts")

    runs = await ports.store.list_runs(session.id)

    assert {run.metadata["run_id"]: run.total_tokens for run in runs} == {
        "a": 6,
        "b": 3,
    }


async def test_a_fork_shows_where_it_is_from(ports: Ports) -> None:
    """
    A fork is a child session; its transcript in the store begins with what it shares.
    """
    store = AsmConversationStore(ports)
    await begin(store, "talk", "1", "2", "3", "4")
    fork = await store.fork("talk", at=2, new_conversation_id="fork")
    fork.messages += said("other")
    await store.save(fork)

    source, child = await store.get_session("talk"), await store.get_session("fork")
    found = await ports.query.search_sessions(parent_session_id=source.id)
    transcript = await store.read_transcript("fork")

    assert [session.id for session in found] == [child.id]
    assert child.metadata["forked_from"] == "talk"
    assert [message.content for message in transcript.messages] == ["1", "2", "other"]


async def test_a_branch_is_told_of_and_left_out(ports: Ports) -> None:
    """
    The log tells of a branch, and the present history leaves out what it has left.
    """
    store = AsmConversationStore(ports)
    talk = await begin(store, "talk", "1", "2", "3", "4")
    branched = await store.branch("talk", at=2, expected_revision=talk.revision)
    branched.messages += said("other", "way")
    await store.save(branched)

    session = await store.get_session("talk")
    marks = await ports.store.get_events(session.id, type="pydantic_ai.branched")
    present = await store.read_transcript("talk")
    last = await store.read_transcript("talk", limit=1)

    kept = await store.load_entries("talk")
    assert kept is not None
    assert [mark.data["entry_id"] for mark in marks] == [kept[1].id]
    assert [m.content for m in present.messages] == ["1", "2", "other", "way"]
    assert [m.content for m in last.messages] == ["way"]
    with pytest.raises(SessionNotFoundError):
        await store.read_transcript("nobody's")


async def test_lists_go_by_scope_and_time(ports: Ports) -> None:
    """
    Of more conversations than one page holds the last saved come first.
    """
    store = AsmConversationStore(ports)
    scopes = ["anna", "ben", "x" * 300, "", None]
    for number, scope in enumerate(scopes * 2):
        conversation = Conversation(messages=said("hi"), conversation_id=f"{number}")
        await store.save(conversation, scope=scope)

    for number, scope in enumerate(scopes[:-1]):
        records = await store.list_conversations(scope=scope)
        assert [each.conversation_id for each in records] == [
            f"{number + 5}",
            f"{number}",
        ]
    newest = await store.list_conversations(limit=3)
    assert [each.conversation_id for each in newest] == ["9", "8", "7"]
    found = await ports.query.search_sessions(user_id="ben")
    assert {each.metadata["conversation_id"] for each in found} == {"1", "6"}


async def test_deleting_removes_the_session_and_what_it_had(ports: Ports) -> None:
    """
    After a deletion neither the session nor an event or an entry of it is there.
    """
    store = AsmConversationStore(ports)
    await ask(store, "talk", "Hi?")
    session = await store.get_session("talk")
    entries = await store.load_entries("talk")

    await store.delete("talk")

    assert await ports.store.get_events(session.id) == []
    assert await ports.state.list_session_items(session.id) == []
    assert not (await ports.query.search_sessions()).items
    assert entries
    for entry in entries:
        with pytest.raises(KeyError):
            await store.read_entry(entry.id)
    assert await damage(ports) == []


async def test_a_conversation_that_comes_again_has_a_session_of_its_own(
    ports: Ports,
) -> None:
    """
    After a deletion the same id begins anew, under another session, and again.
    """
    store = AsmConversationStore(ports)
    ids = list[str]()
    for text in ("first", "second", "third"):
        await begin(store, "talk", text)
        session = await store.get_session("talk")
        ids.append(session.id)
        transcript = await read_transcript(ports.store, session.id)
        assert [message.content for message in transcript.messages] == [text]
        assert len(await store.list_conversations()) == 1
        await store.delete("talk")
        assert await store.load("talk") is None

    assert len(set(ids)) == 3
