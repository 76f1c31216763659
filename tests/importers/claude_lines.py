"""
Lines as Claude Code writes them, of our own making.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SESSION = "5e551000-0000-4000-8000-000000000001"
MODEL = "claude-sonnet-4-5-20250929"


def uuid(number: int) -> str:
    """
    Return the uuid of the line of this number.
    """
    return f"00000000-0000-4000-8000-{number:012}"


def line(number: int, kind: str, *, after: int | None = None, **more: Any) -> Any:
    """
    Return a line of a session, which follows the line *after*, or the one before it.
    """
    parent = number - 1 if after is None else after
    return {
        "parentUuid": uuid(parent) if parent else None,
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/engine",
        "sessionId": SESSION,
        "version": "2.0.49",
        "gitBranch": "main",
        "type": kind,
        "uuid": uuid(number),
        "timestamp": f"2025-11-03T09:{number // 60:02}:{number % 60:02}.250Z",
    } | more


def prompt(number: int, text: Any, **more: Any) -> Any:
    """
    Return the line of something that a person said.
    """
    return line(number, "user", message={"role": "user", "content": text}, **more)


def answer(number: int, *blocks: Any, **more: Any) -> Any:
    """
    Return a line of an answer of the model.
    """
    usage = {
        "input_tokens": 4,
        "cache_creation_input_tokens": 10,
        "cache_read_input_tokens": 100,
        "output_tokens": number,
    }
    said = {
        "id": more.pop("message", f"msg_{number}"),
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(blocks),
        "stop_reason": None,
        "usage": usage,
    }
    return line(number, "assistant", message=said, requestId=f"req_{number}", **more)


def text(words: str) -> Any:
    """
    Return a block of text.
    """
    return {"type": "text", "text": words}


def call(number: int, name: str = "Bash", **arguments: Any) -> Any:
    """
    Return a block that calls a tool.
    """
    given = arguments or {"command": "ls"}
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": given}


def result(number: int, of: int, content: Any = "done", **more: Any) -> Any:
    """
    Return the line of the result of the call *of*.
    """
    block = {"type": "tool_result", "tool_use_id": f"toolu_{of}", "content": content}
    if more.pop("is_error", False):
        block["is_error"] = True
    return prompt(number, [block], **more)


def conversation() -> list[Any]:
    """
    Return a short session: thoughts, two calls at once, a failure, an answer.
    """
    return [
        {"type": "mode", "mode": "normal", "sessionId": SESSION},
        prompt(1, "Which files are there?"),
        answer(2, {"type": "thinking", "thinking": "Look.", "signature": "c2ln"}),
        answer(3, text("I look."), message="msg_2"),
        answer(4, call(4), message="msg_2"),
        answer(5, call(5, "Read", file_path="/x"), message="msg_2"),
        result(6, 4, "a.txt", after=4, toolUseResult={"durationMs": 353}),
        result(7, 5, "no such file", is_error=True, after=5),
        answer(8, text("There is a.txt.")),
        line(9, "system", subtype="turn_duration", durationMs=8123),
    ]


def write(path: Path, *lines: Any) -> Path:
    """
    Write lines to a file; bytes are written as they are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(encoded(each) for each in lines))
    return path


def encoded(value: Any) -> bytes:
    """
    Return a line as it stands in a file.
    """
    return value if isinstance(value, bytes) else f"{json.dumps(value)}\n".encode()
