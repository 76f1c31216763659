"""
What is made of the session files of Claude Code.
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from asm_async import EventType, InMemoryPorts, Ports, Session
from asm_async.artifacts import ArtifactLibrary
from asm_async.conventions import shape_warnings
from asm_async.files import LocalArtifactStore
from asm_async.importers import ImportSummary, import_from
from asm_async.transcripts import read_transcript
from asm_async.values.event import Event
from tests.importers.claude_lines import (
    MODEL,
    SESSION,
    answer,
    call,
    conversation,
    line,
    prompt,
    result,
    text,
    uuid,
    write,
)

ID = f"claude-code/{SESSION}"


async def imported(ports: Ports, path: Path, **options: Any) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "claude-code", str(path), **options)


async def only_session(ports: Ports) -> Session:
    """
    Return the one session that there is.
    """
    (session,) = await ports.store.list_sessions()
    return session


async def said(ports: Ports, session_id: str = ID) -> Any:
    """
    Return what a model would be told of a session.
    """
    return (await read_transcript(ports.store, session_id)).to_anthropic()


def without_original(event: Event) -> dict[str, Any]:
    """
    Return what an event says by the conventions.
    """
    return {name: value for name, value in event.data.items() if name != "original"}


async def test_a_conversation_is_told_as_it_was(ports: Ports, tmp_path: Path) -> None:
    """
    Thoughts, texts, calls made at once, results and failures form one transcript.
    """
    done = await imported(ports, write(tmp_path / "s.jsonl", *conversation()))

    assert done.problems == ()
    assert await said(ports) == [
        {"role": "user", "content": "Which files are there?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Look.", "signature": "c2ln"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                text("I look."),
                call(4),
                call(5, "Read", file_path="/x"),
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_4",
                    "content": "a.txt",
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_5",
                    "content": "no such file",
                    "is_error": True,
                },
            ],
        },
        {"role": "assistant", "content": "There is a.txt."},
    ]


async def test_each_line_is_kept_whole_and_events_are_as_the_conventions_say(
    tmp_path: Path,
) -> None:
    """
    The first event of each line has the line, its id and its time.
    """
    lines = conversation()
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        events = await ports.store.get_events(ID)

    assert [e.data["original"] for e in events if "original" in e.data] == lines
    assert [w for e in events for w in shape_warnings(e)] == []
    assert [e.id for e in events[1:]] == [
        f"claude-code/{uuid(n)}" for n in range(1, 10)
    ]
    assert str(events[1].timestamp) == "2025-11-03 09:00:01.250000+00:00"
    assert [e.type for e in events] == [
        "imported.record",
        EventType.MESSAGE_SENT,
        EventType.MESSAGE_RECEIVED,
        EventType.MESSAGE_RECEIVED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_STARTED,
        EventType.TOOL_CALL_COMPLETED,
        EventType.TOOL_CALL_FAILED,
        EventType.MESSAGE_RECEIVED,
        EventType.TURN_COMPLETED,
    ]
    assert without_original(events[6]) == {
        "tool_call_id": "toolu_4",
        "tool_name": "Bash",
        "tool_output": "a.txt",
        "duration_ms": 353,
    }
    assert events[6].correlation_id == "toolu_4"


async def test_an_answer_in_several_lines_is_paid_for_once(
    ports: Ports, tmp_path: Path
) -> None:
    """
    The lines of one answer have one run, with the tokens of the last and its model.
    """
    await imported(ports, write(tmp_path / "s.jsonl", *conversation()))
    first, second = await ports.store.list_runs(ID)

    assert (first.id, second.id) == ("claude-code-run/msg_2", "claude-code-run/msg_8")
    assert (first.input_tokens, first.output_tokens) == (114, 5)
    assert (first.cache_read_tokens, first.cache_write_tokens) == (100, 10)
    assert (first.provider, first.model) == ("anthropic", MODEL)
    assert (first.started_at.second, first.ended_at and first.ended_at.second) == (2, 5)
    summary = await ports.query.get_usage_summary()
    assert summary.total_tokens == 119 + 122


async def test_a_session_says_where_it_is_from(tmp_path: Path) -> None:
    """
    The metadata has the kind, the id, the last folder, branch and version, and a title.
    """
    lines = [*conversation(), prompt(10, "And now?", gitBranch="feature")]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        session = await only_session(ports)

    assert session.metadata == {
        "title": "Which files are there?",
        "imported": {
            "kind": "claude-code",
            "id": SESSION,
            "cwd": "/home/ada/engine",
            "git_branch": "feature",
            "version": "2.0.49",
            "title": "Which files are there?",
        },
    }
    assert (session.agent_id, session.created_at.second) == ("claude-code", 1)


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ([{"type": "summary", "summary": "Files", "leafUuid": uuid(9)}], "Files"),
        ([{"type": "summary", "summary": "Other", "leafUuid": uuid(99)}], "Which"),
        ([{"type": "ai-title", "aiTitle": "Made", "sessionId": SESSION}], "Made"),
        (
            [
                {"type": "custom-title", "customTitle": "Mine", "sessionId": SESSION},
                {"type": "ai-title", "aiTitle": "Made", "sessionId": SESSION},
            ],
            "Mine",
        ),
    ],
)
async def test_the_title_is_the_best_that_there_is(
    tmp_path: Path, lines: list[Any], title: str
) -> None:
    """
    A person's title beats the program's, which beats the first prompt.

    Summaries of other sessions are none.
    """
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines, *conversation()))
        first = (await only_session(ports)).metadata["title"]
        await imported(ports, write(tmp_path / "s.jsonl", *conversation(), *lines))
        second = (await only_session(ports)).metadata["title"]

    assert first.startswith(title)
    assert second.startswith(title)


async def test_a_sub_agent_has_a_session_below_that_of_its_parent(
    tmp_path: Path,
) -> None:
    """
    Lines of a sub-agent's own file belong to a child session, by the agent's id.
    """
    of_agent = {"isSidechain": True, "agentId": "a1b2"}
    write(tmp_path / "p" / f"{SESSION}.jsonl", *conversation())
    path = tmp_path / "p" / SESSION / "subagents" / "agent-a1b2.jsonl"
    write(path, prompt(1, "Look.", **of_agent), answer(22, text("Done."), **of_agent))
    async with InMemoryPorts() as ports:
        await imported(ports, tmp_path)
        child = await ports.store.get_session(f"{ID}/a1b2")
        told = await said(ports, child.id)
        runs = await ports.store.list_runs(child.id)

    assert child.parent_session_id == ID
    assert child.agent_id == "claude-code-subagent"
    assert [each["role"] for each in told] == ["user", "assistant"]
    assert [run.output_tokens for run in runs] == [22]


async def test_sub_agents_within_their_parents_file_are_told_apart(
    tmp_path: Path,
) -> None:
    """
    Side chains without an agent's id have a session each, by their first line.
    """
    side = {"isSidechain": True}
    lines = [
        prompt(1, "Do both."),
        prompt(11, "First.", after=0, **side),
        prompt(21, "Second.", after=0, **side),
        answer(12, text("One."), **side),
        answer(22, text("Two."), **side),
        answer(2, text("Both are done.")),
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        told = [await said(ports, name) for name in (ID, f"{ID}/{uuid(21)}")]

    assert [each["content"] for each in told[0]] == ["Do both.", "Both are done."]
    assert [each["content"] for each in told[1]] == ["Second.", "Two."]


async def test_what_a_person_goes_back_on_is_hidden(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A prompt that follows an earlier line takes back what came after that line, once.
    """
    lines = [
        prompt(1, "One."),
        answer(2, text("1")),
        prompt(3, "Two."),
        answer(4, text("2")),
        prompt(5, "Two, again.", after=2),
        answer(6, text("II")),
        prompt(7, "Three."),
    ]
    path = write(tmp_path / "s.jsonl", *lines)
    counts = [await imported(ports, path) for _ in range(2)]
    told = await said(ports)
    events = await ports.store.get_events(ID)

    assert [each["content"] for each in told] == [
        "One.",
        "1",
        "Two, again.",
        "II",
        "Three.",
    ]
    assert [count.events_imported for count in counts] == [7, 0]
    assert len(events) == 8


@pytest.mark.parametrize("after", [4, 6])
async def test_results_of_calls_made_at_once_take_nothing_back(
    tmp_path: Path, after: int
) -> None:
    """
    A prompt after an interrupted call hides nothing, whichever line it follows.
    """
    lines = [
        *conversation()[:7],
        result(7, 5, "b", after=5),
        prompt(8, "Stop.", after=after),
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        visible = await ports.store.get_events(ID, visible_only=True)

    assert len(visible) == len(lines)


async def test_a_compaction_leaves_what_was_said_before_it(tmp_path: Path) -> None:
    """
    The boundary is a record, and the summary is what the model was told.
    """
    lines = [
        *conversation(),
        line(
            10,
            "system",
            after=0,
            subtype="compact_boundary",
            content="Compacted",
            logicalParentUuid=uuid(9),
            compactMetadata={"trigger": "auto"},
        ),
        prompt(11, "What was done so far: files.", isCompactSummary=True),
        prompt(12, "Go on."),
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        events = await ports.store.get_events(ID, visible_only=True)

    assert len(events) == len(lines)
    assert without_original(events[10]) == {
        "kind": "claude-code",
        "name": "system.compact_boundary",
    }
    assert events[11].data["content"] == "What was done so far: files."


async def test_failed_requests_are_errors_and_no_answers(tmp_path: Path) -> None:
    """
    Retries and what the program says in the model's place are errors that cost nothing.
    """
    error = {
        "status": 529,
        "error": {"error": {"type": "overloaded", "message": "Busy"}},
    }
    synthetic = answer(
        3, text("API Error: 529"), isApiErrorMessage=True, error="server"
    )
    synthetic["message"] |= {"model": "<synthetic>", "usage": {"input_tokens": 0}}
    lines = [
        prompt(1, "Hi."),
        line(2, "system", subtype="api_error", error=error, retryAttempt=1),
        synthetic,
    ]
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", *lines))
        events = await ports.store.get_events(ID)
        runs = await ports.store.list_runs(ID)

    assert runs == []
    assert [event.type for event in events[1:]] == [EventType.ERROR_OCCURRED] * 2
    assert without_original(events[1]) == {
        "error_message": "Busy",
        "error_code": "overloaded",
        "details": {"retryAttempt": 1},
    }
    assert without_original(events[2]) == {
        "error_message": "API Error: 529",
        "error_code": "server",
    }


async def test_what_is_no_message_is_kept_as_a_record(tmp_path: Path) -> None:
    """
    Snapshots, queue operations and lines of versions to come are records with a name.
    """
    snapshot = {"messageId": uuid(1), "timestamp": "2025-11-03T09:00:00.000Z"}
    lines = [
        {"type": "file-history-snapshot", "messageId": uuid(1), "snapshot": snapshot},
        {"type": "queue-operation", "operation": "enqueue", "sessionId": SESSION},
        {"type": "to-come", "sessionId": SESSION, "x": [1]},
        prompt(1, ""),
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / f"{SESSION}.jsonl", *lines))
        events = await ports.store.get_events(ID)

    assert done.problems == ()
    assert [event.data["name"] for event in events] == [
        "file-history-snapshot",
        "queue-operation",
        "to-come",
        "user",
    ]
    assert {event.timestamp.second for event in events[:3]} == {0}


async def test_a_message_that_is_not_understood_is_kept_and_reported(
    tmp_path: Path,
) -> None:
    """
    A message of an unknown form is a record, and a problem with its line.
    """
    lines = [prompt(1, "Hi."), prompt(2, [{"text": "no type"}]), prompt(3, {"a": 1})]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / "s.jsonl", *lines))
        events = await ports.store.get_events(ID)

    assert [(p.source, p.number, str(p.code)) for p in done.problems] == [
        ("s.jsonl", 2, "not_understood"),
        ("s.jsonl", 3, "not_understood"),
    ]
    assert [event.data["original"] for event in events] == lines


async def test_lines_that_tell_no_time_wait_for_one_that_does(tmp_path: Path) -> None:
    """
    A file in which no line tells a time makes no session, and is reported.
    """
    path = tmp_path / "s.jsonl"
    timeless = {"type": "summary", "summary": "Elsewhere", "leafUuid": uuid(50)}
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(path, timeless))
        before = await ports.store.list_sessions()
        await imported(ports, write(path, timeless, *conversation()))
        session = await only_session(ports)

    assert [problem.number for problem in done.problems] == [1]
    assert before == []
    assert session.created_at.second == 1


async def test_a_session_copied_into_anothers_file_counts_its_tokens_once(
    tmp_path: Path,
) -> None:
    """
    A resumed session has the events of its past, and their runs stay where they were.
    """
    write(tmp_path / "a.jsonl", *conversation())
    copied = [{**each, "sessionId": "resumed"} for each in conversation()]
    write(tmp_path / "b.jsonl", *copied, answer(30, text("More."), sessionId="resumed"))
    async with InMemoryPorts() as ports:
        done = await imported(ports, tmp_path)
        again = await imported(ports, tmp_path)
        events = await ports.store.get_events("claude-code/resumed")
        usage = await ports.query.get_usage_summary()

    assert (done.runs_imported, done.problems) == (3, ())
    assert (again.runs_imported, again.runs_changed, again.problems) == (0, 0, ())
    assert len(events) == 11
    assert usage.total_tokens == 119 + 122 + 144


async def test_attachments_are_artifacts_where_they_are_kept(tmp_path: Path) -> None:
    """
    With a store the contents of images are artifacts, and the events name their keys.
    """
    data = base64.b64encode(b"picture").decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    lines = [prompt(1, [text("See."), {"type": "image", "source": source}])]
    path = write(tmp_path / "s.jsonl", *lines)
    async with InMemoryPorts() as ports:
        library = ArtifactLibrary(
            ports.artifacts, LocalArtifactStore(tmp_path / "kept")
        )
        counts = [await imported(ports, path, artifacts=library) for _ in range(2)]
        (event,) = await ports.store.get_events(ID)
        (artifact,) = await ports.artifacts.list_by_session(ID)
        content = await library.read(artifact.id)

    assert [count.artifacts_imported for count in counts] == [1, 0]
    assert (content, artifact.content_type) == (b"picture", "image/png")
    kept = {
        "type": "artifact",
        "media_type": "image/png",
        "artifact_key": artifact.key,
    }
    assert event.data["content"][1]["source"] == kept
    assert event.data["original"]["message"]["content"][1]["source"] == kept


async def test_attachments_stay_in_the_events_without_a_store(tmp_path: Path) -> None:
    """
    Without a store for artifacts an image stays where it was.
    """
    image = {"type": "image", "source": {"type": "base64", "data": "cGlj"}}
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path / "s.jsonl", prompt(1, [image])))
        (event,) = await ports.store.get_events(ID)

    assert event.data["content"] == [image]


async def test_old_lines_without_a_type_tell_their_cost(tmp_path: Path) -> None:
    """
    A line of an early version is an answer, and its run has the cost that it tells.
    """
    old = {
        "timestamp": "2024-05-01T10:00:00Z",
        "sessionId": "old",
        "costUSD": 0.25,
        "message": {"id": "msg_1", "model": MODEL, "usage": {"input_tokens": 9}},
    }
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path / "s.jsonl", old))
        (run,) = await ports.store.list_runs("claude-code/old")

    assert done.problems == ()
    assert (run.cost_usd, run.input_tokens) == (0.25, 9)
