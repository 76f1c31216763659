"""
What the program prints on a terminal of a given width, and in a pipe.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Mapping
from functools import partial

from asm_async.cli.main import main
from tests.forked_program import run_forked, start_forked


def printed_on_terminal(
    *arguments: object, width: int = 80, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """
    Run the program at a terminal, and return its exit code and what it printed there.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    # What it reports would stand among what it shows.
    nothing = os.open(os.devnull, os.O_WRONLY)
    variables = {"TERM": "xterm-256color", **(environment or {})}
    work = partial(main, [str(each) for each in arguments])
    process = start_forked(work, (theirs, theirs, nothing), variables)
    os.close(theirs)
    os.close(nothing)
    printed = _read_all(ours)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(ours)
    return code, printed.replace("\r\n", "\n")


def printed_in_pipe(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """
    Run the program between pipes, and return its exit code and what it wrote to each.
    """
    work = partial(main, [str(each) for each in arguments])
    done = run_forked(work, environment)
    return done.returncode, done.stdout, done.stderr


def _read_all(terminal: int) -> str:
    pieces: list[bytes] = []
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:
            # So a terminal ends on Linux once nobody has its other side open.
            piece = b""
        if not piece:
            return b"".join(pieces).decode()
        pieces.append(piece)
