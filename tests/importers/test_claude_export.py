"""
What is made of the data exports of Claude.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from asm_async import InMemoryPorts, Ports, RunStatus
from asm_async.conventions import shape_warnings
from asm_async.importers import ImportSummary, import_from
from asm_async.transcripts import read_transcript

ID = "claude/c1"
NOBODY = "00000000-0000-4000-8000-000000000000"


def message(number: int, sender: str, *content: Any, **more: Any) -> dict[str, Any]:
    """
    Return a message of an export.
    """
    blocks: list[Any] = [
        {"type": "text", "text": each, "citations": []}
        if isinstance(each, str)
        else each
        for each in content
    ]
    time = f"2025-02-03T10:00:{number:02}.500000Z"
    return {
        "uuid": f"m{number}",
        "sender": sender,
        "text": " ".join(each for each in content if isinstance(each, str)),
        "content": blocks,
        "created_at": time,
        "updated_at": time,
        "attachments": [],
        "files": [],
    } | more


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """
    Return a conversation of an export.
    """
    return {
        "uuid": "c1",
        "name": "Files",
        "summary": "About files.",
        "created_at": "2025-02-03T09:59:00.000000Z",
        "updated_at": f"2025-02-03T10:10:{len(messages):02}.000000Z",
        "account": {"uuid": "a1"},
        "chat_messages": list(messages),
    } | more


def conversation() -> list[dict[str, Any]]:
    """
    Return messages with a document, thoughts and a tool.
    """
    attachment = {
        "file_name": "a.txt",
        "file_type": "txt",
        "extracted_content": "alpha",
    }
    found = {"type": "text", "text": "found"}
    return [
        message(
            1,
            "human",
            "What is in it?",
            attachments=[attachment],
            files=[{"file_name": "b.png", "file_uuid": "f1"}],
        ),
        message(
            2,
            "assistant",
            {"type": "thinking", "thinking": "Read."},
            "I look.",
            {"type": "tool_use", "name": "search", "input": {"q": "a"}},
            {
                "type": "tool_result",
                "name": "search",
                "content": [found],
                "is_error": False,
            },
            "Alpha.",
        ),
    ]


def write(folder: Path, *conversations: Any) -> Path:
    """
    Write an export.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conversations.json").write_text(json.dumps(conversations))
    (folder / "users.json").write_text(json.dumps([{"uuid": "a1"}]))
    return folder


async def imported(ports: Ports, path: Path) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "claude", str(path))


async def texts(ports: Ports, session_id: str = ID) -> list[Any]:
    """
    Return what was said, as texts.
    """
    told = (await read_transcript(ports.store, session_id)).messages
    return [each.content for each in told if isinstance(each.content, str)]


async def test_a_conversation_is_told_as_it_was(ports: Ports, tmp_path: Path) -> None:
    """
    Documents are parts of the prompt, and calls stand between the texts around them.
    """
    done = await imported(ports, write(tmp_path, chat(*conversation())))
    told = (await read_transcript(ports.store, ID)).to_anthropic()

    assert done.problems == ()
    assert told[0]["content"] == [
        {"type": "text", "text": "What is in it?"},
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "alpha"},
            "title": "a.txt",
        },
        {"type": "uploaded_file", "file_name": "b.png", "file_uuid": "f1"},
    ]
    assert told[1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {
                    "type": "tool_use",
                    "id": "m2-2",
                    "name": "search",
                    "input": {"q": "a"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "m2-2", "content": "found"}
            ],
        },
        {"role": "assistant", "content": "Alpha."},
    ]
    (run,) = await ports.store.list_runs(ID)
    assert (run.status, run.provider) == (RunStatus.COMPLETED, "anthropic")
    assert run.input == "What is in it?"
    session = await ports.store.get_session(ID)
    assert session.metadata["title"] == "Files"
    assert session.user_id == "a1"
    assert session.metadata["imported"]["summary"] == "About files."


async def test_each_message_is_kept_whole(tmp_path: Path) -> None:
    """
    The events are as the conventions say, and the first of each message has it.
    """
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path, chat(*conversation())))
        events = await ports.store.get_events(ID)

    kept = [e.data["original"] for e in events if "original" in e.data]
    assert kept == conversation()
    assert [warning for e in events for warning in shape_warnings(e)] == []


async def test_an_export_again_and_grown_adds_what_is_new(
    ports: Ports, tmp_path: Path
) -> None:
    """
    The second import adds nothing, and the third the messages that came meanwhile.
    """
    first = await imported(ports, write(tmp_path, chat(*conversation())))
    again = await imported(ports, tmp_path)
    more = [message(3, "human", "Thanks."), message(4, "assistant", "Yes.")]
    await imported(ports, write(tmp_path, chat(*conversation(), *more)))

    assert (again.events_imported, again.events_known) == (0, first.events_imported)
    assert (await texts(ports))[-2:] == ["Thanks.", "Yes."]
    assert len(await ports.store.list_runs(ID)) == 2


async def test_an_edited_message_takes_back_what_followed_it(
    ports: Ports, tmp_path: Path
) -> None:
    """
    In a flat list, too, an edit hides the old words and is told in their place.
    """
    old = [message(1, "human", "On?"), message(2, "assistant", "On what?")]
    await imported(ports, write(tmp_path, chat(*old)))
    new = [message(3, "human", "One?"), message(4, "assistant", "1.")]
    done = await imported(
        ports, write(tmp_path, chat(*new, updated_at="2025-02-03T11:00:00Z"))
    )

    assert done.problems == ()
    assert await texts(ports) == ["One?", "1."]
    whole = await ports.store.get_events(ID)
    assert len([event for event in whole if event.data.get("content") == "On?"]) == 1


async def test_branches_are_told_apart_by_parents(tmp_path: Path) -> None:
    """
    Where messages name theirs, the branch of the leaf is told; others are records.
    """
    messages = [
        message(1, "human", "Hi.", parent_message_uuid=NOBODY),
        message(2, "assistant", "Hello.", parent_message_uuid="m1"),
        message(3, "assistant", "Good day.", parent_message_uuid="m1"),
    ]
    leaf = chat(*messages, current_leaf_message_uuid="m2")
    latest = chat(*messages, uuid="c2")
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path, leaf, latest))
        assert await texts(ports) == ["Hi.", "Hello."]
        assert await texts(ports, "claude/c2") == ["Hi.", "Good day."]
        (branch,) = await ports.store.get_events(ID, type="imported.record")
        assert branch.data["original"]["uuid"] == "m3"


async def test_projects_are_kept_as_sessions_that_say_nothing(tmp_path: Path) -> None:
    """
    A project's prompt and documents are in a record below its name.
    """
    project = {
        "uuid": "p1",
        "name": "Engine",
        "prompt_template": "Be brief.",
        "created_at": "2025-02-01T00:00:00Z",
        "docs": [{"uuid": "d1", "filename": "a.md", "content": "alpha"}],
    }
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps([chat(*conversation())]))
        archive.writestr("projects.json", json.dumps([project]))
        archive.writestr("users.json", "[]")
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        again = await imported(ports, path)
        session = await ports.store.get_session("claude/project/p1")
        (event,) = await ports.store.get_events(session.id)

    assert done.problems == ()
    assert again.events_imported == 0
    assert session.metadata["title"] == "Engine"
    assert event.data["original"] == project


async def test_what_is_not_understood_is_told_by_its_path(tmp_path: Path) -> None:
    """
    What is known of a message is told, and so are the messages around it.
    """
    messages = [
        message(1, "human", "Hi."),
        message(2, "assistant", "Hello.", {"type": "hologram"}),
        message(3, "wizard", "Abra."),
    ]
    odd = chat(*messages)
    odd["chat_messages"].append(7)
    async with InMemoryPorts() as ports:
        path = write(tmp_path, {"uuid": "x"}, odd)
        done = await imported(ports, path)
        assert await texts(ports) == ["Hi.", "Hello."]

    assert [problem.reason for problem in done.problems] == [
        "$[0]: it is no conversation: it has no chat_messages",
        "$[1].chat_messages[3]: it is no object",
        "$[1].chat_messages[1]: nothing is known of content[1] of type 'hologram'",
        "$[1].chat_messages[2]: sender: nothing is known of 'wizard'",
    ]


async def test_messages_without_blocks_say_their_text(tmp_path: Path) -> None:
    """
    Older exports have a text alone; a message that says nothing is a record.
    """
    old = [
        message(1, "human", "Hi.", content=None),
        message(2, "assistant", "Hello.", content=[]),
        message(3, "human", content=[], text=""),
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path, chat(*old)))
        assert await texts(ports) == ["Hi.", "Hello."]

    assert done.problems == ()
