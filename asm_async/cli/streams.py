"""
The three standard streams, which may be closed, full, or unable to show a character.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO, cast

from asm_async.errors import ValidationError


def standard_input() -> BinaryIO:
    """
    Return standard input as bytes, unless it is closed.
    """
    return _opened("standard input", sys.stdin).buffer


def standard_output() -> BinaryIO:
    """
    Return standard output as bytes, unless it is closed.
    """
    return _opened("standard output", sys.stdout).buffer


def print_output(text: str) -> None:
    """
    Write *text* to standard output, with escapes for what its encoding lacks.
    """
    output = _opened("standard output", sys.stdout)
    encoding = output.encoding
    output.write(text.encode(encoding, "backslashreplace").decode(encoding))
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
    Write a line to standard error, if that is open.
    """
    error = cast("TextIO | None", sys.stderr)
    if error is not None:
        with suppress(OSError):
            error.write(f"{line}\n")


def on_one_line(text: str) -> str:
    """
    Put *text* on one line, with escapes for what would control a terminal.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in " ".join(text.split())
    )


def _opened(name: str, stream: TextIO | None) -> TextIO:
    # Python has None for a stream that was closed when the process began.
    if stream is None:
        raise ValidationError(f"{name} is closed")
    return stream
