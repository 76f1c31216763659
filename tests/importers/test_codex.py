"""
What is made of the rollouts of Codex.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from asm_async import EventType, InMemoryPorts, Ports, RunStatus
from asm_async.conventions import shape_warnings
from asm_async.importers import ImportSummary, import_from
from asm_async.transcripts import read_transcript

THREAD = "019b2ea4-0000-7000-8000-000000000001"
ID = f"codex/{THREAD}"
FILE = f"rollout-2025-12-18T10-00-00-{THREAD}.jsonl"


def line(second: int, kind: str, **payload: Any) -> dict[str, Any]:
    """
    Return a line of a rollout.
    """
    time = f"2025-12-18T10:{second // 60:02}:{second % 60:02}.000Z"
    return {"timestamp": time, "type": kind, "payload": payload}


def meta(**more: Any) -> dict[str, Any]:
    """
    Return the first line of a rollout.
    """
    known = {
        "id": THREAD,
        "timestamp": "2025-12-18T10:00:00.000Z",
        "cwd": "/home/ada/engine",
        "originator": "codex_cli_rs",
        "cli_version": "0.106.0",
        "source": "cli",
        "model_provider": "openai",
    }
    return line(0, "session_meta", **(known | more))


def item(second: int, kind: str, **members: Any) -> dict[str, Any]:
    """
    Return a line with an item of the Responses interface.
    """
    return line(second, "response_item", type=kind, **members)


def message(second: int, role: str, text: str) -> dict[str, Any]:
    """
    Return a line with a message.
    """
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return item(second, "message", role=role, content=content)


def event(second: int, kind: str, **members: Any) -> dict[str, Any]:
    """
    Return a line with an event for the terminal.
    """
    return line(second, "event_msg", type=kind, **members)


def counted(second: int, total: int, last: int) -> dict[str, Any]:
    """
    Return a line that tells tokens: three quarters of them are cached input.
    """

    def usage(tokens: int) -> dict[str, int]:
        return {
            "input_tokens": tokens,
            "cached_input_tokens": tokens * 3 // 4,
            "output_tokens": tokens // 10,
            "reasoning_output_tokens": tokens // 20,
            "total_tokens": tokens + tokens // 10,
        }

    info = {"total_token_usage": usage(total), "last_token_usage": usage(last)}
    return event(second, "token_count", info=info, rate_limits={"primary": second})


def turn_id(second: int) -> str:
    """
    Return the id of a turn that begins at a second: a UUIDv7.
    """
    milliseconds = 1_766_052_000_000 + second * 1_000
    return (
        f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-{second:012}"
    )


def conversation() -> list[dict[str, Any]]:
    """
    Return a thread of two turns.
    """
    return [
        meta(),
        event(1, "task_started", turn_id=turn_id(1)),
        message(1, "user", "<environment_context>here</environment_context>"),
        message(1, "user", "Which files are there?\nAll of them."),
        event(1, "user_message", message="Which files are there?\nAll of them."),
        line(1, "turn_context", model="gpt-5.2", turn_id=turn_id(1)),
        item(2, "reasoning", id="rs", summary=[], encrypted_content="c2ln"),
        item(3, "function_call", name="shell", call_id="c1", arguments='{"a":"ls"}'),
        counted(4, 1_000, 1_000),
        counted(4, 1_000, 1_000),
        item(5, "function_call_output", call_id="c1", output="a.txt"),
        item(6, "custom_tool_call", name="apply_patch", call_id="c2", input="*** B"),
        item(7, "custom_tool_call_output", call_id="c2", output="Done."),
        message(8, "assistant", "There is a.txt."),
        event(8, "agent_message", message="There is a.txt."),
        counted(9, 3_000, 2_000),
        event(9, "task_complete", turn_id=turn_id(1), last_agent_message="There."),
        event(10, "task_started", turn_id=turn_id(10)),
        message(10, "user", "Stop."),
        counted(11, 3_500, 500),
        event(12, "turn_aborted", turn_id=turn_id(10), reason="interrupted"),
    ]


def write(path: Path, *lines: Any) -> Path:
    """
    Write lines to a file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return path


async def imported(ports: Ports, path: Path, **options: Any) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "codex", str(path), **options)


async def test_a_thread_is_told_as_it_was(ports: Ports, tmp_path: Path) -> None:
    """
    Messages, reasoning, calls and results come back as the items that they were.
    """
    done = await imported(ports, write(tmp_path / FILE, *conversation()))
    told = (await read_transcript(ports.store, ID)).to_responses()

    assert done.problems == ()
    assert [each.get("type") or each["role"] for each in told] == [
        "message",
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]
    assert told[2]["encrypted_content"] == "c2ln"
    assert told[3] == {
        "type": "function_call",
        "call_id": "c1",
        "name": "shell",
        "arguments": '{"a":"ls"}',
    }
    assert told[6]["output"] == "Done."


async def test_each_line_is_kept_whole(tmp_path: Path) -> None:
    """
    Each line has an event with the line, whether or not it says something.
    """
    lines = conversation()
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / FILE, *lines))
        events = await ports.store.get_events(ID)

    assert [e.data["original"] for e in events if "original" in e.data] == lines
    assert [warning for e in events for warning in shape_warnings(e)] == []
    output = next(e for e in events if e.type is EventType.TOOL_CALL_COMPLETED)
    assert output.data["tool_name"] == "shell"


async def test_a_turn_is_a_run_and_totals_are_counted_once(
    ports: Ports, tmp_path: Path
) -> None:
    """
    Tokens that are told again with each rate limit are those of one request.
    """
    await imported(ports, write(tmp_path / FILE, *conversation()))
    first, second = await ports.store.list_runs(ID)

    assert (first.status, second.status) == (RunStatus.COMPLETED, RunStatus.CANCELLED)
    assert (first.provider, first.model) == ("openai", "gpt-5.2")
    assert first.token_usage == {
        "input_tokens": 3_000,
        "output_tokens": 300,
        "total_tokens": 3_300,
        "cache_read_tokens": 2_250,
        "reasoning_tokens": 150,
    }
    assert first.turn_count == 2
    assert second.input_tokens == 500
    assert (first.input, first.output) == (
        "Which files are there?\nAll of them.",
        "There.",
    )
    assert str(first.started_at) == "2025-12-18 10:00:01+00:00"
    assert str(first.ended_at) == "2025-12-18 10:00:09+00:00"
    session = await ports.store.get_session(ID)
    assert session.metadata["title"] == "Which files are there?"
    assert session.metadata["imported"]["cwd"] == "/home/ada/engine"


async def test_a_rollout_that_grows_line_by_line_is_as_one_read_at_once(
    tmp_path: Path,
) -> None:
    """
    Each import adds what is new, and the last one adds nothing.
    """
    lines = conversation()
    async with InMemoryPorts() as ports, InMemoryPorts() as once:
        path = tmp_path / FILE
        for count in range(1, len(lines) + 1):
            await imported(ports, write(path, *lines[:count]))
        again = await imported(ports, path)
        await imported(once, path)
        assert (again.events_imported, again.runs_changed) == (0, 0)
        expected = await once.store.get_events(ID)
        assert await ports.store.get_events(ID) == expected
        runs = [run.to_dict() for run in await ports.store.list_runs(ID)]
        wanted = [run.to_dict() for run in await once.store.list_runs(ID)]
        for run in runs + wanted:
            del run["revision"]
        assert runs == wanted


async def test_turns_without_events_begin_with_prompts(tmp_path: Path) -> None:
    """
    So it is in older rollouts; what Codex itself says begins none.
    """
    lines = [
        meta(),
        message(1, "user", "<environment_context>here</environment_context>"),
        message(1, "user", "One?"),
        message(2, "assistant", "1."),
        message(3, "user", "Two?"),
        message(4, "user", "Or three?"),
        message(5, "assistant", "2."),
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / FILE, *lines))
        runs = await ports.store.list_runs(ID)

    assert [run.status for run in runs] == [RunStatus.COMPLETED] * 2
    assert runs[0].input == "One?"


async def test_lines_without_envelopes_are_read(tmp_path: Path) -> None:
    """
    The form of 2025's first half has items on lines of their own.
    """
    lines = [
        {"id": THREAD, "timestamp": "2025-06-01T10:00:00Z", "instructions": None},
        {"record_type": "state"},
        message(1, "user", "One?")["payload"],
        {
            "type": "local_shell_call",
            "call_id": "c1",
            "status": "completed",
            "action": {"type": "exec", "command": ["ls"]},
        },
        {
            "type": "function_call_output",
            "call_id": "c1",
            "output": {"content": "no", "success": False},
        },
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / FILE, *lines))
        events = await ports.store.get_events(ID)

    assert done.problems == ()
    assert [e.type for e in events if e.type != "imported.record"] == [
        EventType.RUN_STARTED,
        EventType.MESSAGE_SENT,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_FAILED,
    ]
    assert events[-1].data["tool_name"] == "local_shell"
    assert str(events[-1].timestamp) == "2025-06-01 10:00:00+00:00"


async def test_items_as_other_programs_write_them_are_read(tmp_path: Path) -> None:
    """
    A message needs no type, and arguments may be an object.
    """
    lines = [
        meta(),
        line(1, "response_item", role="user", content="One?"),
        item(2, "function_call", name="f", call_id="c", arguments={"q": 1}),
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / FILE, *lines))
        said, call = (await read_transcript(ports.store, ID)).messages
        (run,) = await ports.store.list_runs(ID)

    assert done.problems == ()
    assert (said.content, run.input) == ("One?", "One?")
    assert call.tool_input == {"q": 1}


@pytest.mark.parametrize("first", [0, 1])
async def test_a_fork_counts_only_its_own_turns(tmp_path: Path, first: int) -> None:
    """
    The copied beginning is told in the fork, and its tokens count in the source.
    """
    child = f"{turn_id(100)[:13]}-7000-8000-000000000002"
    copy = [
        {**each, "timestamp": line(100, "")["timestamp"]} for each in conversation()
    ]
    begun = meta(forked_from_id=THREAD)
    begun["payload"] |= {"id": child, "timestamp": line(100, "")["timestamp"]}
    begun["timestamp"] = line(100, "")["timestamp"]
    own = [
        event(101, "task_started", turn_id=turn_id(101)),
        message(101, "user", "And now?"),
        counted(102, 3_600, 100),
        message(103, "assistant", "Now."),
        event(103, "task_complete", turn_id=turn_id(101)),
    ]
    write(tmp_path / f"rollout-x-{child}.jsonl", begun, *copy[first:], *own)
    write(tmp_path / FILE, *conversation())
    async with InMemoryPorts() as ports:
        await imported(ports, tmp_path)
        session = await ports.store.get_session(f"codex/{child}")
        (run,) = await ports.store.list_runs(session.id)
        told = (await read_transcript(ports.store, session.id)).messages

    assert session.parent_session_id == ID
    assert session.metadata["title"] == "And now?"
    assert run.input_tokens == 100
    assert told[-1].content == [{"type": "output_text", "text": "Now."}]
    assert len(told) > 9


async def test_a_sub_agent_has_its_parent(tmp_path: Path) -> None:
    """
    A thread that another one has started says so, and is of another agent.
    """
    spawn = {"thread_spawn": {"parent_thread_id": "p", "depth": 1}}
    async with InMemoryPorts() as ports:
        first = meta(source={"subagent": spawn})
        await imported(ports, write(tmp_path / FILE, first))
        session = await ports.store.get_session(ID)

    assert session.parent_session_id == "codex/p"
    assert session.agent_id == "codex-subagent"


async def test_turns_that_were_rolled_back_are_hidden(
    ports: Ports, tmp_path: Path
) -> None:
    """
    What a person goes back on is not told, however often the file is imported.
    """
    lines = [
        meta(),
        event(1, "task_started", turn_id=turn_id(1)),
        message(1, "user", "One?"),
        message(2, "assistant", "1."),
        event(2, "task_complete", turn_id=turn_id(1)),
        event(3, "task_started", turn_id=turn_id(3)),
        message(3, "user", "Two?"),
        message(4, "assistant", "2."),
        event(4, "task_complete", turn_id=turn_id(3)),
        event(5, "thread_rolled_back", num_turns=1),
        event(6, "task_started", turn_id=turn_id(6)),
        message(6, "user", "Three?"),
    ]
    path = write(tmp_path / FILE, *lines)
    for _ in range(2):
        await imported(ports, path)
        told = (await read_transcript(ports.store, ID)).to_responses()
        assert [each["content"][0]["text"] for each in told] == ["One?", "1.", "Three?"]


async def test_a_turn_whose_end_nobody_told_has_failed(tmp_path: Path) -> None:
    """
    The next turn ends it as interrupted.
    """
    lines = [
        meta(),
        event(1, "task_started", turn_id=turn_id(1)),
        event(2, "task_started", turn_id=turn_id(2)),
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / FILE, *lines))
        first, second = await ports.store.list_runs(ID)

    assert first.error is not None
    assert first.error["code"] == "interrupted"
    assert second.status is RunStatus.RUNNING


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (item(1, "wormhole"), "items of type 'wormhole'"),
        (event(1, "wormhole"), "events of type 'wormhole'"),
        (line(1, "wormhole"), "lines of type 'wormhole'"),
        ({"spoken": 1}, "such lines"),
        (item(1, "message", role="user", content=None), "item['content']"),
        (item(1, "function_call", name="f", call_id="c"), "item['arguments']"),
    ],
)
async def test_what_is_not_understood_is_told_by_line_and_kept(
    tmp_path: Path, bad: Any, reason: str
) -> None:
    """
    The line is a record with the original, and the lines around it are imported.
    """
    lines = [meta(), bad, message(2, "user", "One?")]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / FILE, *lines))
        events = await ports.store.get_events(ID)

    (problem,) = done.problems
    assert (problem.source, problem.number) == (FILE, 2)
    assert reason in problem.reason
    assert events[1].type == "imported.record"
    assert [e.data["original"] for e in events if "original" in e.data] == lines


async def test_lines_that_are_no_json_are_told_and_left_out(tmp_path: Path) -> None:
    """
    A line that was cut off is told, and the thread is named by the file.
    """
    path = tmp_path / FILE
    path.write_text('{"timestamp": "2025\n' + json.dumps(message(1, "user", "Hi.")))
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        session = await ports.store.get_session(ID)

    assert [(problem.number, problem.code) for problem in done.problems] == [
        (1, "not_json")
    ]
    assert session.metadata["title"] == "Hi."
