from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import (
    SessionKey,
    delete_session_via_store,
    fork_session_via_store,
    get_session_messages_from_store,
    import_session_to_store,
    list_sessions_from_store,
    rename_session_via_store,
    tag_session_via_store,
)
from claude_agent_sdk import project_key_for_directory as project_key_for

from asm_async import Ports
from asm_async.integrations.claude_agent import AsmSessionStore
from tests.frameworks.claude_agent.entries import answered, said, text


def chain(*entries: Any, session_id: str) -> list[Any]:
    """
    Return entries of which each follows the one before, as the SDK walks them.
    """
    parent, linked = None, []
    for entry in entries:
        time = "2026-11-01T10:00:00.000Z"
        more = {"parentUuid": parent, "sessionId": session_id, "timestamp": time}
        linked.append({**more, **entry})
        parent = entry["uuid"]
    return linked


async def test_the_sdks_functions_work_on_what_is_stored(
    ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Sessions are listed from their summaries alone, renamed, tagged, forked and deleted.
    """
    store, directory = AsmSessionStore(ports), str(tmp_path)
    session_id = str(uuid.uuid4())
    key: SessionKey = {
        "project_key": project_key_for(directory),
        "session_id": session_id,
    }
    names = [str(uuid.uuid4()) for _ in range(2)]
    lines = [said(names[0], "Hello"), answered(names[1], "m", text("Hi"))]
    await store.append(key, chain(*lines, session_id=session_id))

    await rename_session_via_store(store, session_id, "My chat", directory=directory)
    await tag_session_via_store(store, session_id, "work", directory=directory)
    forked = await fork_session_via_store(store, session_id, directory=directory)

    loads: list[SessionKey] = []
    load = AsmSessionStore.load

    async def counted(self: AsmSessionStore, asked: SessionKey) -> Any:
        loads.append(asked)
        return await load(self, asked)

    monkeypatch.setattr(AsmSessionStore, "load", counted)
    infos = await list_sessions_from_store(store, directory=directory)
    assert loads == []
    by_id = {info.session_id: info for info in infos}
    assert set(by_id) == {session_id, forked.session_id}
    assert by_id[session_id].custom_title == "My chat"
    assert by_id[session_id].tag == "work"
    assert by_id[session_id].first_prompt == "Hello"
    told = await get_session_messages_from_store(
        store, forked.session_id, directory=directory
    )
    assert [message.type for message in told] == ["user", "assistant"]
    assert (await ports.query.get_usage_summary()).run_count == 1

    await delete_session_via_store(store, session_id, directory=directory)
    infos = await list_sessions_from_store(store, directory=directory)
    assert [info.session_id for info in infos] == [forked.session_id]


async def test_a_local_session_is_moved_in_once(
    ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A session on disk, with a subagent's, is imported whole, and again changes nothing.
    """
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "config"))
    store, directory = AsmSessionStore(ports), tmp_path / "work"
    directory.mkdir()
    session_id = str(uuid.uuid4())
    project = project_key_for(str(directory))
    place = tmp_path / "config" / "projects" / project
    below = place / session_id / "subagents"
    below.mkdir(parents=True)
    lines = chain(
        *(said(str(uuid.uuid4()), f"line {n}") for n in range(1_203)),
        session_id=session_id,
    )
    for path in (place / f"{session_id}.jsonl", below / "agent-1.jsonl"):
        path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    for _ in range(2):
        await import_session_to_store(session_id, store, directory=str(directory))

    key: SessionKey = {"project_key": project, "session_id": session_id}
    assert await store.load(key) == lines
    listed = await store.list_subkeys(
        {"project_key": project, "session_id": session_id}
    )
    assert listed == ["subagents/agent-1"]
    assert await store.load({**key, "subpath": "subagents/agent-1"}) == lines
