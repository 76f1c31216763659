"""
Histories of messages: what is stored, whose it is, and what is refused.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agent_framework import Content, Message

from asm_async import EventType, Ports, SessionStatus, errors
from asm_async.integrations.agent_framework import AsmHistoryProvider
from asm_async.transcripts import read_transcript

CONVERSATION = [
    Message("system", ["Be brief."]),
    Message(
        "user",
        ["And this?", Content.from_uri("https://x.org/a.png", media_type="image/png")],
    ),
    Message(
        "assistant",
        [
            Content.from_text_reasoning(text="I should look."),
            "I look it up.",
            Content.from_function_call("c1", "look_up", arguments='{"of": "a"}'),
            Content.from_function_call("c2", "look_up", arguments={"of": "b"}),
        ],
    ),
    Message(
        "tool",
        [
            Content.from_function_result("c1", result="a cat"),
            Content.from_function_result("c2", result="no b", exception="secret"),
        ],
    ),
    Message("assistant", ["A cat."]),
]


def texts_of(messages: list[Message]) -> list[str]:
    """
    Return what was said.
    """
    return [message.text for message in messages]


async def types_of(ports: Ports, session_id: str) -> list[str]:
    """
    Return the types of a session's events.
    """
    return [event.type for event in await ports.store.get_events(session_id)]


async def test_a_conversation_reads_as_a_transcript(ports: Ports) -> None:
    """
    Texts, images, calls and results stand in a transcript as they were said.
    """
    provider = AsmHistoryProvider(ports)
    await provider.save_messages("s", CONVERSATION)

    transcript = await read_transcript(ports.store, provider.session_id_of("s"))

    image = {"type": "image_url", "image_url": {"url": "https://x.org/a.png"}}
    calls = [
        {"id": call_id, "type": "function", "function": {"name": "look_up", **given}}
        for call_id, given in [
            ("c1", {"arguments": '{"of": "a"}'}),
            ("c2", {"arguments": '{"of":"b"}'}),
        ]
    ]
    assert transcript.to_openai() == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "And this?"}, image]},
        {"role": "assistant", "content": "I look it up.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no b"},
        {"role": "assistant", "content": "A cat."},
    ]


async def test_an_exception_is_not_stored(ports: Ports) -> None:
    """
    Of what a tool raised there is the framework's marker alone, here as in its own.
    """
    provider = AsmHistoryProvider(ports)
    await provider.save_messages("s", CONVERSATION)

    stored = await ports.store.get_events(provider.session_id_of("s"))

    assert "secret" not in str(stored)
    (failed,) = [each for each in stored if each.type == EventType.TOOL_CALL_FAILED]
    assert failed.data["error_code"] == "FunctionInvocationError"


async def test_results_that_are_saved_later_know_their_tool(ports: Ports) -> None:
    """
    A result names its call alone; the tool's name is that of the call before it.
    """
    provider = AsmHistoryProvider(ports)
    await provider.save_messages("s", CONVERSATION[:3])
    await provider.save_messages("s", CONVERSATION[3:])

    stored = await ports.store.get_events(provider.session_id_of("s"))

    names = [
        event.data.get("tool_name") for event in stored if "tool_name" in event.data
    ]
    assert names == ["look_up"] * 4


async def test_approvals_are_told(ports: Ports) -> None:
    """
    A call that a person shall allow is one of the conventions' approvals.
    """
    provider = AsmHistoryProvider(ports)
    call = Content.from_function_call("c1", "book", arguments={}, id="f")
    asked = Content.from_function_approval_request("f", call)
    for approved in (True, False):
        said = Content.from_function_approval_response(approved, "f", call)
        messages = [Message("assistant", [asked]), Message("user", [said])]
        await provider.save_messages(str(approved), messages)

    asked_and = [EventType.TOOL_APPROVAL_REQUESTED]
    granted = await types_of(ports, provider.session_id_of("True"))
    denied = await types_of(ports, provider.session_id_of("False"))
    assert granted == [*asked_and, EventType.TOOL_APPROVAL_GRANTED]
    assert denied == [*asked_and, EventType.TOOL_APPROVAL_DENIED]


async def test_usage_in_a_message_is_that_of_a_run(ports: Ports) -> None:
    """
    Summaries see the tokens that messages carry.
    """
    provider = AsmHistoryProvider(ports)
    usages = [
        Content.from_usage({"input_token_count": 5, "output_token_count": 2}),
        Content.from_usage({"input_token_count": 1, "cache_read_input_token_count": 1}),
    ]
    messages = [Message("assistant", ["hi", usage]) for usage in usages]

    await provider.save_messages("s", messages)

    (run,) = await ports.store.list_runs(provider.session_id_of("s"))
    assert (run.input_tokens, run.output_tokens, run.cache_read_tokens) == (6, 2, 1)
    assert run.status.is_over
    summary = await ports.query.get_usage_summary()
    assert summary.total_tokens == 8


async def test_sessions_are_listed(ports: Ports) -> None:
    """
    A conversation is an active session of its agent, tenant and user.
    """
    provider = AsmHistoryProvider(
        ports, agent_id="helper", tenant_id="acme", user_id="ann"
    )
    await provider.save_messages("s", CONVERSATION)

    (session,) = await ports.store.list_sessions(tenant_id="acme", user_id="ann")

    assert session.id == provider.session_id_of("s") == "agent-framework/asm/s"
    assert (session.agent_id, session.status) == ("helper", SessionStatus.ACTIVE)
    names = {"session_id": "s", "source_id": "asm"}
    assert session.metadata == {"agent_framework": names}


async def test_another_tenants_conversation_is_not_there(ports: Ports) -> None:
    """
    Its messages are not read, and nothing is added to it.
    """
    await AsmHistoryProvider(ports, tenant_id="acme").save_messages("s", CONVERSATION)
    other = AsmHistoryProvider(ports, tenant_id="umbrella")

    assert await other.get_messages("s") == []
    with pytest.raises(errors.SessionNotFoundError):
        await other.save_messages("s", CONVERSATION)

    own = await AsmHistoryProvider(ports, tenant_id="acme").get_messages("s")
    assert len(own) == len(CONVERSATION)


async def test_providers_of_other_names_are_apart(ports: Ports) -> None:
    """
    An agent may have one provider to remember by and another to audit by.
    """
    memory = AsmHistoryProvider(ports)
    audit = AsmHistoryProvider(ports, source_id="audit")
    await memory.save_messages("s", CONVERSATION)

    assert await audit.get_messages("s") == []
    await audit.save_messages("s", CONVERSATION[:1])
    assert len(await memory.get_messages("s")) == len(CONVERSATION)


async def test_no_id_is_no_other_id(ports: Ports) -> None:
    """
    What is saved without an id is the conversation of those who name none.
    """
    provider = AsmHistoryProvider(ports)
    for session_id in (None, "", "None", "default"):
        await provider.save_messages(session_id, [Message("user", [str(session_id)])])

    for session_id in (None, "", "None", "default"):
        found = await provider.get_messages(session_id)
        assert texts_of(found) == [str(session_id)]


async def test_a_replay_is_not_stored_again(ports: Ports) -> None:
    """
    Whoever saves the whole conversation each time has it once.
    """
    provider = AsmHistoryProvider(ports)
    for length in range(1, len(CONVERSATION) + 1):
        await provider.save_messages("s", CONVERSATION[:length])

    found = await provider.get_messages("s")

    expected = [message.to_dict() for message in CONVERSATION]
    assert [message.to_dict() for message in found] == expected


async def test_retracted_messages_are_not_read(ports: Ports) -> None:
    """
    What the application has retracted is out of the agent's sight, too.
    """
    provider = AsmHistoryProvider(ports)
    session_id = provider.session_id_of("s")
    said = [Message("user", [text]) for text in ("one", "two", "three")]
    await provider.save_messages("s", said)

    await ports.store.retract_events(session_id, first=2, last=3)
    assert texts_of(await provider.get_messages("s")) == ["one"]

    await provider.save_messages("s", [Message("user", ["four"])])
    assert texts_of(await provider.get_messages("s")) == ["one", "four"]


async def test_a_fork_has_its_own_future(ports: Ports) -> None:
    """
    A copy of the session is another conversation of the framework.
    """
    provider = AsmHistoryProvider(ports)
    await provider.save_messages("s", [Message("user", ["one"])])
    source = await ports.store.get_session(provider.session_id_of("s"))

    fork = provider.session_id_of("fork")
    await ports.store.copy_session(
        source.id, type(source).new(id=fork, agent_id=source.agent_id)
    )
    await provider.save_messages("fork", [Message("user", ["two"])])

    assert texts_of(await provider.get_messages("s")) == ["one"]
    assert texts_of(await provider.get_messages("fork")) == ["one", "two"]


async def test_a_deleted_conversation_begins_anew(ports: Ports) -> None:
    """
    A soft-deleted one refuses messages; one that is gone for ever can come back.
    """
    provider = AsmHistoryProvider(ports)
    session_id = provider.session_id_of("s")
    await provider.save_messages("s", CONVERSATION)

    await ports.maintenance.soft_delete_session(session_id)
    with pytest.raises(errors.SessionDeletedError):
        await provider.save_messages("s", [Message("user", ["again"])])

    await ports.store.delete_session(session_id)
    assert await provider.get_messages("s") == []
    await provider.save_messages("s", [Message("user", ["again"])])
    assert texts_of(await provider.get_messages("s")) == ["again"]


@pytest.mark.parametrize(
    ("messages", "culprit"),
    [
        ([CONVERSATION[0], "hi"], r"messages\[1\]: expected a Message"),
        (
            [Message("user", ["x"], additional_properties={"a": {"b": float("nan")}})],
            r"messages\[0\]\['additional_properties'\]\['a'\]\['b'\]",
        ),
        (
            [Message("assistant", [Content("function_call", arguments={"a": {1: 2}})])],
            r"messages\[0\]\['contents'\]\[0\]\['arguments'\]\['a'\]",
        ),
        (
            [Message("user", [Content.from_usage({"input_token_count": -1})])],
            "input_token_count",
        ),
    ],
)
async def test_what_is_no_json_is_refused(
    ports: Ports, messages: list[Any], culprit: str
) -> None:
    """
    The error names it, and nothing is stored.
    """
    provider = AsmHistoryProvider(ports)

    with pytest.raises(errors.ValidationError, match=culprit):
        await provider.save_messages("s", messages)

    assert await ports.store.list_sessions() == []


async def test_wrong_arguments_are_refused_at_once(ports: Ports) -> None:
    """
    The error names the argument.
    """
    wrong: Any = 5
    for options in ({"agent_id": ""}, {"tenant_id": wrong}, {"user_id": "x" * 256}):
        with pytest.raises(errors.ValidationError, match=next(iter(options))):
            AsmHistoryProvider(ports, **options)
    with pytest.raises(errors.ValidationError, match="ports"):
        AsmHistoryProvider(wrong)
    with pytest.raises(errors.ValidationError):
        await AsmHistoryProvider(ports).get_messages(wrong)


async def test_an_event_without_its_message_is_an_error(ports: Ports) -> None:
    """
    What was spoilt past the provider, as by a redaction, is named.
    """
    provider = AsmHistoryProvider(ports)
    await provider.save_messages("s", [Message("user", ["one"])])
    session_id = provider.session_id_of("s")
    (event,) = await ports.store.get_events(session_id)
    spoilt = type(event).new(
        type=event.type,
        session_id=session_id,
        correlation_id=event.correlation_id,
        data={"original": "[redacted]"},
    )
    await ports.store.append_events([spoilt])

    with pytest.raises(errors.ValidationError, match=spoilt.id):
        await provider.get_messages("s")


async def test_a_history_serves_others_while_it_reads(ports: Ports) -> None:
    """
    Many conversations are read and written side by side.
    """
    provider = AsmHistoryProvider(ports)

    async def converse(name: str) -> list[str]:
        for turn in range(5):
            await provider.save_messages(name, [Message("user", [f"{name}-{turn}"])])
        return texts_of(await provider.get_messages(name))

    names = [f"s{number}" for number in range(8)]
    found = await asyncio.gather(*[converse(name) for name in names])

    assert found == [[f"{name}-{turn}" for turn in range(5)] for name in names]
