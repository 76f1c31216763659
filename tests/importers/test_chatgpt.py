"""
What is made of the data exports of ChatGPT.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from asm_async import EventType, InMemoryPorts, Ports, RunStatus
from asm_async.artifacts import ArtifactLibrary
from asm_async.conventions import message_sent, shape_warnings
from asm_async.files import LocalArtifactStore
from asm_async.importers import ImportSummary, import_from
from asm_async.transcripts import read_transcript

ID = "chatgpt/c1"
BEGIN = 1_700_000_000.5


def node(
    name: str,
    parent: str | None,
    role: str = "user",
    content: Any = "",
    **more: Any,
) -> dict[str, Any]:
    """
    Return a node of the tree; its number is its time.
    """
    number = int("".join(each for each in name if each.isdigit()) or 0)
    told = content
    if isinstance(content, str):
        told = {"content_type": "text", "parts": [content]}
    message: dict[str, Any] = {
        "id": name,
        "author": {"role": role, "name": more.pop("author", None), "metadata": {}},
        "create_time": BEGIN + number,
        "content": told,
        "status": "finished_successfully",
        "recipient": more.pop("recipient", "all"),
        "metadata": more.pop("metadata", {}),
        **more,
    }
    return {"id": name, "parent": parent, "children": [], "message": message}


def tree(*nodes: dict[str, Any], current: str | None = None, **more: Any) -> Any:
    """
    Return a conversation of these nodes, below a root without a message.
    """
    mapping = {each["id"]: each for each in nodes}
    mapping["root"] = {"id": "root", "parent": None, "children": [], "message": None}
    for each in nodes:
        if each["parent"] in mapping:
            mapping[each["parent"]]["children"].append(each["id"])
    return {
        "title": "Files",
        "create_time": BEGIN,
        "update_time": BEGIN + len(nodes),
        "mapping": mapping,
        "current_node": current or nodes[-1]["id"],
        "conversation_id": "c1",
        "default_model_slug": "gpt-4o",
    } | more


def code(text: str) -> dict[str, Any]:
    """
    Return the content of a call.
    """
    return {"content_type": "code", "language": "unknown", "text": text}


def linear() -> list[dict[str, Any]]:
    """
    Return the nodes of a conversation with a tool.
    """
    hidden = {"is_visually_hidden_from_conversation": True}
    model = {"model_slug": "gpt-4o", "finish_details": {"type": "stop"}}
    ran = {"content_type": "execution_output", "text": "2"}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "Add."}]}
    return [
        node("m1", "root", "system", "", metadata=hidden),
        node("m2", "m1", "user", "One and one?"),
        node("m3", "m2", "assistant", thoughts, metadata=model),
        node("m4", "m3", "assistant", code("1 + 1"), recipient="python"),
        node("m5", "m4", "tool", ran, author="python"),
        node("m6", "m5", "assistant", "Two.", metadata=model),
    ]


def write(folder: Path, *conversations: Any) -> Path:
    """
    Write an export.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "conversations.json"
    path.write_text(json.dumps(conversations))
    return path


async def imported(ports: Ports, path: Path, **options: Any) -> ImportSummary:
    """
    Import what lies at *path*.
    """
    return await import_from(ports, "chatgpt", str(path), **options)


async def texts(ports: Ports, session_id: str = ID) -> list[Any]:
    """
    Return what was said, as texts.
    """
    told = (await read_transcript(ports.store, session_id)).messages
    return [each.content for each in told if isinstance(each.content, str)]


async def test_a_conversation_is_told_as_it_is_shown(
    ports: Ports, tmp_path: Path
) -> None:
    """
    Texts, calls and their results are told; hidden messages and thoughts are kept.
    """
    done = await imported(ports, write(tmp_path, tree(*linear())))
    told = (await read_transcript(ports.store, ID)).to_openai()

    assert done.problems == ()
    assert told == [
        {"role": "user", "content": "One and one?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "m4",
                    "type": "function",
                    "function": {"name": "python", "arguments": "1 + 1"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "m4", "content": "2"},
        {"role": "assistant", "content": "Two."},
    ]
    (run,) = await ports.store.list_runs(ID)
    assert (run.status, run.model) == (RunStatus.COMPLETED, "gpt-4o")
    assert (run.input, run.output) == ("One and one?", "Two.")
    assert str(run.started_at) == "2023-11-14 22:13:22.500000+00:00"
    session = await ports.store.get_session(ID)
    assert session.metadata["title"] == "Files"
    assert session.metadata["imported"]["default_model_slug"] == "gpt-4o"


async def test_each_message_is_kept_whole(tmp_path: Path) -> None:
    """
    The events are as the conventions say, and the first of each message has its node.
    """
    conversation = tree(*linear())
    async with InMemoryPorts() as ports:
        await imported(ports, write(tmp_path, conversation))
        events = await ports.store.get_events(ID)

    kept = [e.data["original"] for e in events if "original" in e.data]
    assert kept == [conversation["mapping"][f"m{n}"] for n in range(1, 7)]
    assert [warning for e in events for warning in shape_warnings(e)] == []


async def test_the_same_export_again_adds_nothing(ports: Ports, tmp_path: Path) -> None:
    """
    Not even where ChatGPT tells other metadata of messages that are the same.
    """
    path = write(tmp_path, tree(*linear()))
    first = await imported(ports, path)
    nodes = linear()
    nodes[-1]["message"]["metadata"]["is_complete"] = True
    write(tmp_path, tree(*nodes))
    again = await imported(ports, path)

    assert (again.events_imported, again.runs_imported, again.problems) == (0, 0, ())
    assert again.events_known == first.events_imported
    assert again.sessions_known == 1


async def test_an_export_with_more_adds_what_is_new(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A conversation that went on has its new messages behind the others.
    """
    path = write(tmp_path, tree(*linear()))
    await imported(ports, path)
    before = await ports.store.get_events(ID)
    more = [node("m7", "m6", "user", "Thanks."), node("m8", "m7", "assistant", "Yes.")]
    write(tmp_path, tree(*linear(), *more))
    await imported(ports, path)

    assert (await ports.store.get_events(ID))[: len(before)] == before
    assert await texts(ports) == ["One and one?", "Two.", "Thanks.", "Yes."]
    assert len(await ports.store.list_runs(ID)) == 2


async def test_branches_are_kept_and_the_current_one_is_told(
    ports: Ports, tmp_path: Path
) -> None:
    """
    Other branches are records; those who go back to one are told that one again.
    """
    nodes = [
        node("a1", "root", "user", "Hi."),
        node("a2", "a1", "assistant", "Hello."),
        node("b3", "a1", "assistant", "Good day."),
        node("b4", "b3", "user", "How are you?"),
    ]
    path = write(tmp_path, tree(*nodes, current="a2"))
    await imported(ports, path)
    assert await texts(ports) == ["Hi.", "Hello."]
    events = await ports.store.get_events(ID, type="imported.record")
    assert [event.data["original"]["id"] for event in events] == ["b3", "b4"]
    assert {event.data["name"] for event in events} == {"branch"}

    for round_number in range(1, 3):
        time = BEGIN + 10 * round_number
        write(tmp_path, tree(*nodes, current="b4", update_time=time))
        await imported(ports, path)
        assert await texts(ports) == ["Hi.", "Good day.", "How are you?"]
        write(tmp_path, tree(*nodes, current="a2", update_time=time + 5))
        await imported(ports, path)
        assert await texts(ports) == ["Hi.", "Hello."]
    again = await imported(ports, path)
    assert again.events_imported == 0


async def test_an_older_export_takes_nothing_back(ports: Ports, tmp_path: Path) -> None:
    """
    What was imported of a later one stays as it is.
    """
    nodes = [
        node("a1", "root", "user", "Hi."),
        node("a2", "a1", "assistant", "Hello."),
        node("b2", "a1", "assistant", "Good day."),
    ]
    await imported(ports, write(tmp_path, tree(*nodes)))
    write(tmp_path, tree(*nodes, current="a2", update_time=BEGIN))
    done = await imported(ports, tmp_path)

    assert done.events_imported == 0
    assert await texts(ports) == ["Hi.", "Good day."]


async def test_what_others_appended_stays_when_a_branch_changes(
    tmp_path: Path,
) -> None:
    """
    Only what the export took back is hidden.
    """
    nodes = [
        node("a1", "root", "user", "Hi."),
        node("a2", "a1", "assistant", "Hello."),
        node("b3", "a1", "assistant", "Good day."),
    ]
    async with InMemoryPorts() as ports:
        path = write(tmp_path, tree(*nodes, current="a2"))
        await imported(ports, path)
        await ports.store.append_event(message_sent(session_id=ID, content="Mine."))
        write(tmp_path, tree(*nodes, current="b3", update_time=BEGIN + 9))
        await imported(ports, path)
        assert await texts(ports) == ["Hi.", "Mine.", "Good day."]


@pytest.mark.parametrize("source", ["archive", "folder"])
async def test_exports_in_parts_are_read_from_archives_and_folders(
    tmp_path: Path, source: str
) -> None:
    """
    All files of conversations are read, and the others of the export are not.
    """
    files = {
        "export/conversations-000.json": [tree(*linear())],
        "export/conversations-001.json": [tree(*linear(), conversation_id="c2")],
        "export/user.json": {"id": "u"},
        "export/message_feedback.json": [],
    }
    path = tmp_path / "chatgpt.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in files.items():
            archive.writestr(name, json.dumps(value))
    if source == "folder":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "folder")
        path = tmp_path / "folder"
    async with InMemoryPorts() as ports:
        done = await imported(ports, path)
        assert done.problems == ()
        assert (done.source_count, done.sessions_imported) == (2, 2)
        assert await texts(ports, "chatgpt/c2") == ["One and one?", "Two."]


async def test_files_of_an_export_are_artifacts_where_they_are_kept(
    tmp_path: Path,
) -> None:
    """
    Images that messages name come from the archive, and the parts have their keys.
    """
    image = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "sediment://file_00ab",
        "width": 1,
    }
    content = {"content_type": "multimodal_text", "parts": [image, "What is it?"]}
    upload = {"attachments": [{"id": "file-Xy9", "name": "notes.txt"}]}
    conversation = tree(node("m1", "root", "user", content, metadata=upload))
    path = tmp_path / "chatgpt.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conversations.json", json.dumps([conversation]))
        archive.writestr("dalle-generations/file_00ab-sanitized.png", b"png")
        archive.writestr("file-Xy9-notes.txt", b"notes")
    async with InMemoryPorts() as ports:
        artifacts = LocalArtifactStore(tmp_path / "artifacts")
        library = ArtifactLibrary(ports.artifacts, artifacts)
        done = await imported(ports, path, artifacts=library)
        again = await imported(ports, path, artifacts=library)
        events = await ports.store.get_events(ID, type=EventType.MESSAGE_SENT)
        key = events[0].data["content"][0]["artifact_key"]
        artifact = await ports.artifacts.get_by_key(key)
        stored = await library.read(artifact.id)

    assert (done.problems, done.artifacts_imported) == ((), 2)
    assert again.artifacts_imported == 0
    assert (stored, artifact.content_type) == (b"png", "image/png")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"content_type": "tether_quote", "title": "T", "text": "x"}, "T\nx"),
        ({"content_type": "tether_browsing_display", "result": "r"}, "r"),
        ({"content_type": "sonic_webpage", "url": "u", "text": "x"}, "u\nx"),
        ({"content_type": "system_error", "name": "E", "text": "no"}, "E: no"),
        ({"parts": ["a", {"content_type": "text", "text": "b"}]}, "a\nb"),
        (
            {
                "content_type": "multimodal_text",
                "parts": [{"content_type": "audio_transcription", "text": "spoken"}],
            },
            "spoken",
        ),
    ],
)
async def test_results_of_tools_are_told_by_their_contents(
    tmp_path: Path, content: Any, told: str
) -> None:
    """
    Quotes, pages, failures and transcriptions are texts.
    """
    nodes = [
        node("m1", "root", "user", "Look."),
        node("m2", "m1", "assistant", code("search('x')"), recipient="browser"),
        node("m3", "m2", "tool", content, author="browser"),
    ]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path, tree(*nodes)))
        result = (await read_transcript(ports.store, ID)).messages[-1]

    assert done.problems == ()
    assert told in {result.tool_output, result.error_message}
    assert result.tool_call_id == "m2"
    assert result.is_error is (content.get("content_type") == "system_error")


async def test_what_is_not_understood_is_told_by_its_path(tmp_path: Path) -> None:
    """
    The rest of the conversation, and of the export, is imported.
    """
    nodes = [
        node("m1", "root", "user", "Hi."),
        node("m2", "m1", "assistant", {"content_type": "hologram", "x": 1}),
        node("m3", "m2", "wizard", "Abra."),
        node("m4", "m3", "assistant", "Hello."),
    ]
    odd = tree(*nodes)
    odd["mapping"]["m9"] = "nothing"
    async with InMemoryPorts() as ports:
        path = write(tmp_path, {"title": "no tree"}, odd, 7)
        done = await imported(ports, path)
        events = await ports.store.get_events(ID)
        assert await texts(ports) == ["Hi.", "Hello."]

    assert [problem.reason for problem in done.problems] == [
        "$[0]: it is no conversation: it has no mapping",
        "$[1].mapping.m9: it is no object",
        "$[1].mapping.m2: nothing is known of contents of type 'hologram'",
        "$[1].mapping.m3: author.role: nothing is known of 'wizard'",
        "$[2]: it is no conversation: it has no mapping",
    ]
    kept = [e.data["original"]["id"] for e in events if "original" in e.data]
    assert kept == ["m1", "m2", "m3", "m4"]


async def test_trees_without_a_current_node_times_or_ends_are_read(
    tmp_path: Path,
) -> None:
    """
    The last leaf is told; a node above itself ends the way up; times follow each other.
    """
    nodes = [node("m1", "m3", "user", "Hi."), node("m2", "m1", "assistant", "Hello.")]
    nodes.append(node("m3", "m2", "user", "Again."))
    for each in nodes:
        each["message"]["create_time"] = None
    looped = tree(*nodes, current="m3")
    plain = tree(*[{**each} for each in nodes], conversation_id="c2")
    plain["mapping"]["m1"]["parent"] = "gone"
    del plain["current_node"]
    async with InMemoryPorts() as ports:
        done = await imported(ports, write(tmp_path, looped, plain))
        assert done.problems == ()
        for name in ("c1", "c2"):
            assert await texts(ports, f"chatgpt/{name}") == ["Hi.", "Hello.", "Again."]
        events = await ports.store.get_events("chatgpt/c2")
        times = [event.timestamp for event in events]
        assert times == sorted(times)
