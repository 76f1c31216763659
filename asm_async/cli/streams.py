"""
The three standard streams, any of which may be closed, full or of few characters.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import BinaryIO, TextIO, cast

from asm_async.errors import ValidationError

__all__ = [
    "drop_output",
    "on_one_line",
    "print_output",
    "standard_input",
    "standard_output",
    "tell",
]


def standard_input() -> BinaryIO:
    """
    Give standard input as bytes.

    Raises:
        ValidationError: If it is closed.
    """
    return _opened("standard input", sys.stdin).buffer


def standard_output() -> BinaryIO:
    """
    Give standard output as bytes.

    Raises:
        ValidationError: If it is closed.
    """
    return _opened("standard output", sys.stdout).buffer


def print_output(text: str) -> None:
    """
    Write *text* to standard output, with escapes for what its encoding lacks.

    Raises:
        ValidationError: If it is closed.

        OSError: If it takes nothing more.
    """
    output = _opened("standard output", sys.stdout)
    encoding = output.encoding
    output.write(text.encode(encoding, "backslashreplace").decode(encoding))
    output.flush()


def drop_output() -> None:
    """
    Forget what standard output did not take, which Python would try again at its end.
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


def tell(line: str) -> None:
    """
    Write a line to standard error, if anybody listens there.
    """
    error = cast("TextIO | None", sys.stderr)
    if error is not None:
        with suppress(OSError):
            error.write(f"{line}\n")


def on_one_line(text: str) -> str:
    """
    Put *text* on one line, with escapes for what a terminal would obey.
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
