"""
A recorded conversation as it is read back, and the commands that show more of it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import URL

from asm_async.transcripts import Message, Transcript

__all__ = ["print_next_commands", "print_place", "print_transcript"]

COLOURS = {"user": "bold cyan", "assistant": "bold green", "tool": "yellow"}
MAX_MESSAGES = 20


def print_place(console: Console, url: URL) -> None:
    """
    Print where the database is: the file's whole path, or the server without password.
    """
    place = url.render_as_string(hide_password=True)
    if url.get_backend_name() == "sqlite":
        place = str(Path(url.database or "").resolve())
    console.print(f"The database is {place}", markup=False, soft_wrap=True)


def print_transcript(console: Console, title: str, transcript: Transcript) -> None:
    """
    Print what was said first, each message beside the role that said it.
    """
    said = Table.grid(padding=(0, 2))
    for message in transcript.messages[:MAX_MESSAGES]:
        colour = COLOURS.get(message.role, "dim")
        said.add_row(Text(message.role, style=colour), Text(_text_of(message)))
    console.print(Text(f"\n{title}", style="bold"), said)
    if (more := len(transcript.messages) - MAX_MESSAGES) > 0:
        console.print(f"... and {more:,} more messages", highlight=False)


def _text_of(message: Message) -> str:
    if message.content is not None:
        return _readable(message.content)
    if message.role == "assistant":
        return f"calls {message.tool_name} with {_readable(message.tool_input)}"
    return _readable(message.error_message or message.tool_output)


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def print_next_commands(console: Console, url: URL, session_id: str) -> None:
    """
    Print commands to paste into a shell that is where this program was started.
    """
    option = shlex.join(["--url", url.render_as_string(hide_password=True)])
    program = _program("asm")
    console.print(
        f"\nLook further, from {Path.cwd()}:\n"
        f"  {program} show {session_id} {option}\n"
        f"  {program} console {option}\n"
        "Write a chat of your own: docs/tutorial.md",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _program(name: str) -> str:
    # It is installed beside the interpreter, which need not be on the PATH.
    path = Path(sys.executable).with_name(name)
    if path.is_relative_to(Path.cwd()):
        path = Path(os.path.relpath(path))
    return shlex.quote(str(path))
