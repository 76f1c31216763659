"""
A terminal of a given width, and what a program prints on it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping

from tests.cli.conftest import PROGRAM


def printed_on_terminal(
    *arguments: object, width: int = 80, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """
    Run the program at a terminal, and return its exit code and what it printed there.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen(  # noqa: S603 - the program under test
        [PROGRAM, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm-256color", **(environment or {})},
    ) as process:
        os.close(theirs)
        printed = _read_all(ours)
    os.close(ours)
    return process.returncode, printed.replace("\r\n", "\n")


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
