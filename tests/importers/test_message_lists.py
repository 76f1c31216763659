"""
What is made of lists of messages in OpenAI's forms.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from asm_async import InMemoryPorts, Ports, RunStatus
from asm_async.conventions import shape_warnings
from asm_async.importers import ImportSummary, import_from
from asm_async.transcripts import read_transcript

SAMPLE = Path(__file__).parents[2] / "examples" / "data" / "conversations.json"


def user(text: str, **more: Any) -> dict[str, Any]:
    """
    Return what a person says.
    """
    return {"role": "user", "content": text, **more}


def assistant(text: str | None, *calls: str, **more: Any) -> dict[str, Any]:
    """
    Return what the model says, with calls of these ids.
    """
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        function = {"name": "search", "arguments": '{"q":1}'}
        message["tool_calls"] = [
            {"id": call, "type": "function", "function": function} for call in calls
        ]
    return message | more


def tool(call: str, text: Any) -> dict[str, Any]:
    """
    Return the result of a call.
    """
    return {"role": "tool", "tool_call_id": call, "content": text}


def conversation() -> list[dict[str, Any]]:
    """
    Return a conversation of two prompts.
    """
    return [
        {"role": "system", "content": "Be brief."},
        user("Where?"),
        assistant(None, "c1", "c2"),
        tool("c1", "Here."),
        tool("c2", "There."),
        assistant("Here and there."),
        user("When?"),
        assistant("Now."),
    ]


def write(path: Path, value: Any) -> Path:
    """
    Write a value; a list of lines if the file's name says so.
    """
    text = json.dumps(value)
    if path.suffix == ".jsonl":
        text = "".join(f"{json.dumps(each)}\n" for each in value)
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


async def imported(ports: Ports, path: Path, **options: Any) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "openai-messages", str(path), **options)


async def only_session(ports: Ports) -> str:
    """
    Return the id of the only session.
    """
    (session,) = await ports.store.list_sessions()
    return session.id


async def told(ports: Ports) -> list[dict[str, Any]]:
    """
    Return what the model would be told of the only session.
    """
    session_id = await only_session(ports)
    return list((await read_transcript(ports.store, session_id)).to_openai())


@pytest.mark.parametrize("form", ["a.json", "object.json", "many.jsonl", "one.jsonl"])
async def test_a_list_is_told_as_it_was(
    ports: Ports, tmp_path: Path, form: str
) -> None:
    """
    Alone, below a name, in a line of many, or with a line for each message.
    """
    messages = conversation()
    values = {
        "a.json": messages,
        "object.json": {"messages": messages},
        "many.jsonl": [{"messages": messages}],
        "one.jsonl": messages,
    }
    done = await imported(ports, write(tmp_path / form, values[form]))
    session_id = await only_session(ports)
    events = await ports.store.get_events(session_id)
    runs = await ports.store.list_runs(session_id)

    assert done.problems == ()
    assert await told(ports) == messages
    kept = [e.data["original"] for e in events if "original" in e.data]
    assert kept[: len(messages)] == messages
    assert [warning for e in events for warning in shape_warnings(e)] == []
    assert [(run.status, run.input, run.output) for run in runs] == [
        (RunStatus.COMPLETED, "Where?", "Here and there."),
        (RunStatus.COMPLETED, "When?", "Now."),
    ]
    times = [event.timestamp for event in events if "original" in event.data]
    assert times[: len(messages)] == sorted(times[: len(messages)])


async def test_a_list_again_and_grown_adds_what_is_new(
    ports: Ports, tmp_path: Path
) -> None:
    """
    After each message an import adds what is new, and the last one adds nothing.
    """
    path = tmp_path / "list.json"
    for count in range(2, len(conversation()) + 1):
        done = await imported(ports, write(path, conversation()[:count]))
        assert done.problems == ()
        assert [each["role"] for each in await told(ports)][:count] == [
            each["role"] for each in conversation()[:count]
        ]
    again = await imported(ports, path)

    assert (again.events_imported, again.runs_imported, again.runs_changed) == (0, 0, 0)
    assert await told(ports) == conversation()
    runs = await ports.store.list_runs(await only_session(ports))
    assert [run.status for run in runs] == [RunStatus.COMPLETED] * 2


async def test_a_list_that_was_edited_is_told_as_it_is_now(
    ports: Ports, tmp_path: Path
) -> None:
    """
    What followed the edit is hidden; who goes back is told the old words again.
    """
    path = tmp_path / "list.json"
    await imported(ports, write(path, conversation()))
    edited = conversation()
    edited[5]["content"] = "Everywhere."
    for messages in (edited, conversation(), edited):
        done = await imported(ports, write(path, messages))
        assert done.problems == ()
        assert await told(ports) == messages
    assert (await imported(ports, path)).events_imported == 0
    events = await ports.store.get_events(await only_session(ports))
    answers = [e for e in events if e.data.get("content") == "Here and there."]
    assert len(answers) == 2


async def test_lists_of_one_name_are_told_apart_by_their_openings(
    tmp_path: Path,
) -> None:
    """
    Files of one name in two folders with other prompts are two sessions.
    """
    async with InMemoryPorts() as ports:
        for name in ("One?", "Two?"):
            (tmp_path / name).mkdir()
            path = write(tmp_path / name / "chat.json", [user(name), assistant("So.")])
            await imported(ports, path)
        assert len(await ports.store.list_sessions()) == 2


async def test_a_session_is_known_by_its_own_id(ports: Ports, tmp_path: Path) -> None:
    """
    Lines of a log that name a session are pictures of it, the later the longer.
    """
    messages = conversation()
    lines = [
        {"session_id": "s1", "messages": messages[:2], "model": "m"},
        {"session_id": "s1", "messages": messages[:7], "model": "m"},
    ]
    await imported(ports, write(tmp_path / "log.jsonl", lines))
    lines = [{"session_id": "s1", "messages": messages, "model": "m"}]
    await imported(ports, write(tmp_path / "other.jsonl", lines))

    assert await only_session(ports) == "openai-messages/s1"
    assert await told(ports) == messages


async def test_pictures_of_a_session_in_one_file_are_compared_too(
    ports: Ports, tmp_path: Path
) -> None:
    """
    The later line tells the conversation otherwise: what it has not is hidden.
    """
    pictures = [[user("One?"), assistant("1.")], [user("One?"), assistant("2.")]]
    lines = [{"session_id": "s1", "messages": messages} for messages in pictures]
    await imported(ports, write(tmp_path / "log.jsonl", lines))

    assert await told(ports) == pictures[1]


async def test_requests_with_their_answers_have_tokens_models_and_cost(
    tmp_path: Path,
) -> None:
    """
    A request and its response make a run with what the response tells.
    """
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_100,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": assistant("Here.", refusal=None)}],
        "usage": usage,
    }
    value = {
        "id": "batch_1",
        "request": {"model": "gpt-4o", "messages": [user("Where?")]},
        "response": {"status_code": 200, "body": body},
        "cost_usd": 0.25,
    }
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / "log.jsonl", [value]))
        (run,) = await ports.store.list_runs(await only_session(ports))

    assert done.problems == ()
    assert (run.model, run.cost_usd) == ("gpt-4o-2024-08-06", 0.25)
    assert run.token_usage == {
        "input_tokens": 9,
        "output_tokens": 3,
        "total_tokens": 12,
    }
    assert run.output == "Here."
    assert str(run.ended_at) == "2023-11-14 22:15:00+00:00"


def response(name: str, before: str | None, text: str) -> dict[str, Any]:
    """
    Return a stored object of the Responses interface.
    """
    content: Any = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": name,
        "object": "response",
        "created_at": 1_700_000_000 + int(name[-1]),
        "model": "gpt-5",
        "previous_response_id": before,
        "output": [
            {"type": "reasoning", "id": "rs", "summary": []},
            {"type": "web_search_call", "id": "ws", "status": "completed"},
            {"type": "message", "id": "m", "role": "assistant", "content": content},
        ],
        "usage": {
            "input_tokens": 7,
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 12,
        },
    }


async def test_responses_that_follow_each_other_are_one_session(
    ports: Ports, tmp_path: Path
) -> None:
    """
    Each is a run; items that the model needs back are those that they were.
    """
    lines = [response("r1", None, "One."), response("r2", "r1", "Two.")]
    path = write(tmp_path / "log.jsonl", lines)
    assert (await imported(ports, path)).problems == ()
    again = await imported(ports, path)
    session_id = await only_session(ports)
    runs = await ports.store.list_runs(session_id)
    items = (await read_transcript(ports.store, session_id)).to_responses()

    assert session_id == "openai-messages/r1"
    assert again.events_imported == 0
    assert [run.reasoning_tokens for run in runs] == [2, 2]
    assert [run.model for run in runs] == ["gpt-5", "gpt-5"]
    assert [item["type"] for item in items] == [
        *("reasoning", "web_search_call", "message") * 2
    ]


async def test_items_and_older_and_looser_forms_are_read(tmp_path: Path) -> None:
    """
    Calls from before there were tools, calls without ids, objects instead of texts.
    """
    called = {"name": "search", "arguments": '{"q":1}'}
    loose = {"function": {"name": "find", "arguments": {"q": 2}}}
    messages = [
        user("Where?"),
        {"role": "assistant", "content": None, "function_call": called},
        {"role": "function", "name": "search", "content": "Here."},
        assistant("", tool_calls=[loose]),
        {"role": "tool", "content": {"found": True}},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "out"},
        {"type": "message", "role": "assistant", "content": "Done."},
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / "list.json", messages))
        found = await read_transcript(ports.store, await only_session(ports))

    assert done.problems == ()
    calls = [(m.tool_name, m.tool_input) for m in found.messages if m.is_call]
    results = [(m.tool_name, m.tool_output) for m in found.messages if m.is_result]
    assert calls == [("search", {"q": 1}), ("find", {"q": 2}), ("f", {})]
    assert results == [
        ("search", "Here."),
        ("find", '{"found":true}'),
        ("f", "out"),
    ]


async def test_what_is_not_understood_is_told_by_its_path(tmp_path: Path) -> None:
    """
    It is kept as a record where it stands in a list, and all else is imported.
    """
    lines = [
        {"messages": [user("Hi."), {"spoken": 1}, 7, assistant("Hello.")]},
        {"prompt": "Hi."},
        [user("One?"), user("Two?", content=None)],
    ]
    path = write(tmp_path / "lists.jsonl", lines)
    path.write_text(path.read_text() + '{"messages": [')
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        sessions = await ports.store.list_sessions()

    expected = "expected text or a list of parts"
    assert [(problem.number, problem.reason) for problem in done.problems] == [
        (1, "$.messages[1]: it is no message: it has 'spoken'"),
        (1, "$.messages[2]: it is no message: it has 'value'"),
        (2, "$: there are no messages in it"),
        (3, f"$[1]: message['content']: {expected}, got a NoneType"),
        (4, "$: the file is cut off"),
    ]
    assert len(sessions) == 2


async def test_conversations_of_an_array_are_told_as_they_were() -> None:
    """
    Those of the examples come back as the messages that they are, each in its session.
    """
    async with InMemoryPorts() as ports:
        done = await imported(ports, SAMPLE)
        again = await imported(ports, SAMPLE)
        sessions = await ports.store.list_sessions()
        found = {
            each.metadata["title"]: await read_transcript(ports.store, each.id)
            for each in sessions
        }

    assert done.problems == ()
    assert (again.events_imported, again.runs_imported) == (0, 0)
    for each in json.loads(SAMPLE.read_text()):
        messages = each.get("traj") or each["messages"]
        assert list(found[each["title"]].to_openai()) == messages
