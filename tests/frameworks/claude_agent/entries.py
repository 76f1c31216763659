"""
Entries as the SDK mirrors them, and what the tests expect of summaries.
"""

from __future__ import annotations

from typing import Any

from claude_agent_sdk import SessionKey, SessionListSubkeysKey, fold_session_summary

KEY: SessionKey = {"project_key": "-srv-shop", "session_id": "3f0c"}
LIST_KEY: SessionListSubkeysKey = {"project_key": "-srv-shop", "session_id": "3f0c"}


def said(uuid: str | None, text: str, **more: Any) -> Any:
    """
    Return the entry of what a person said.
    """
    named = {} if uuid is None else {"uuid": uuid}
    message = {"role": "user", "content": text}
    return {"type": "user", **named, "message": message, **more}


def answered(uuid: str, message_id: str, *blocks: Any, **usage: int) -> Any:
    """
    Return an entry with blocks of an answer of the model.
    """
    counts = {"input_tokens": 10, "output_tokens": 5, **usage}
    message = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-1",
        "content": list(blocks),
        "stop_reason": None,
        "usage": counts,
    }
    time = "2026-11-01T10:00:00.000Z"
    return {"type": "assistant", "uuid": uuid, "timestamp": time, "message": message}


def result(uuid: str, call_id: str, content: Any, **more: Any) -> Any:
    """
    Return the entry of a tool's result.
    """
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}
    message = {"role": "user", "content": [block]}
    return {"type": "user", "uuid": uuid, "message": message, "toolUseResult": {"n": 1}}


def text(words: str) -> Any:
    """
    Return a block of text.
    """
    return {"type": "text", "text": words}


def call(call_id: str, name: str, **members: Any) -> Any:
    """
    Return a block that calls a tool.
    """
    return {"type": "tool_use", "id": call_id, "name": name, "input": members}


def titled(uuid: str, writer: int) -> Any:
    """
    Return an entry with what summaries keep of a writer, apart from that of others.
    """
    names = ("customTitle", "aiTitle", "lastPrompt", "summary", "gitBranch")
    return said(uuid, uuid, **{names[writer % len(names)]: uuid})


def conversation() -> list[Any]:
    """
    Return a conversation with tools, and with entries that are no messages.
    """
    thought = {"type": "thinking", "thinking": "Look first.", "signature": "s"}
    return [
        {"type": "summary", "summary": "About a file", "leafUuid": "u1"},
        said("u1", "What is in a.txt?", cwd="/srv/shop", gitBranch="main"),
        answered("u2", "msg_1", thought),
        answered("u3", "msg_1", text("I look.")),
        answered("u4", "msg_1", call("t1", "Read", path="a.txt"), output_tokens=9),
        result("u5", "t1", "no such file", is_error=True),
        answered("u6", "msg_2", call("t2", "Ls"), call("t3", "Pwd")),
        result("u7", "t2", [text("b.txt")]),
        result("u8", "t3", "/srv/shop"),
        answered("u9", "msg_3", text("There is only b.txt.")),
        {"type": "ai-title", "aiTitle": "Files of the shop"},
        {"type": "file-history-snapshot", "snapshot": {"n": None, "x": 1.5}},
    ]


def folded(key: SessionKey, entries: list[Any]) -> dict[str, Any]:
    """
    Return the summary's data after these entries, had all come in one batch.
    """
    return fold_session_summary(None, key, entries)["data"]
