"""
A terminal of a given width, and what a program prints on it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
from collections.abc import Mapping

from tests.cli.forked_program import start_forked


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
    process = start_forked(arguments, (theirs, theirs, nothing), variables)
    os.close(theirs)
    os.close(nothing)
    printed = _read_all(ours)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(ours)
    return code, printed.replace("\r\n", "\n")


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
