"""
The three standard streams, which may be closed, full, or unable to show a character.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO, cast

from asm_async.cli.texts import presentable
from asm_async.errors import ASMError


class ClosedStreamError(ASMError):
    """
    A standard stream that a command needs was closed when the process began.
    """

    code = "closed_stream"
    _TEXT = "{} is closed"


def standard_input() -> BinaryIO:
    """
    Return standard input as bytes, unless it is closed.
    """
    return _opened("standard input", sys.stdin).buffer


def standard_output() -> TextIO:
    """
    Return standard output, unless it is closed; what its encoding lacks is escaped.
    """
    output = _opened("standard output", sys.stdout)
    reconfigure = getattr(output, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    return output


def print_output(text: str) -> None:
    """
    Write *text* to standard output, at once.
    """
    output = standard_output()
    output.write(text)
    output.flush()


def drop_output() -> None:
    """
    Discard what standard output did not take, which Python would try again at its end.
    """
    output = cast("TextIO | None", sys.stdout)
    if output is None:
        return
    try:
        output.flush()
    except OSError:
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, output.fileno())
            os.close(nowhere)


def report(line: str) -> None:
    """
    Write a line to standard error, if that is open, without passwords.
    """
    error = cast("TextIO | None", sys.stderr)
    if error is not None:
        with suppress(OSError):
            error.write(f"{presentable(line)}\n")
            error.flush()


def is_terminal(stream: TextIO | None) -> bool:
    """
    Return whether a person is at the other end of a stream.
    """
    return stream is not None and not stream.closed and stream.isatty()


def _opened(name: str, stream: TextIO | None) -> TextIO:
    # Python has None for a stream that was closed when the process began.
    if stream is None:
        raise ClosedStreamError(name)
    return stream
