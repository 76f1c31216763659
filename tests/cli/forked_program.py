"""
The program in a process that is forked from the tests' own.

It has its own streams, environment and exit code, as one that a shell starts, without
half a second of imports. What is about the start of the program, or about signals, is
tested with one that a shell would start.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper

from asm_async.cli.main import main

__all__ = ["run_forked", "start_forked"]

_CRASHED = 70


def start_forked(
    arguments: Sequence[object],
    streams: tuple[int, int, int],
    environment: Mapping[str, str],
) -> int:
    """
    Start the program with file descriptors as its streams, and return its process id.
    """
    with warnings.catch_warnings():
        # Other threads hold no lock that the child needs: they wait for messages.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        code = _CRASHED
        # Nothing of the tests must run on in the child, whatever happens.
        try:
            code = _run(arguments, streams, environment)
        finally:
            os._exit(code)
    return process


def _run(
    arguments: Sequence[object],
    streams: tuple[int, int, int],
    environment: Mapping[str, str],
) -> int:
    for own, given in enumerate(streams):
        os.dup2(given, own)
    os.environ.update(environment)
    sys.stdin = TextIOWrapper(BufferedReader(FileIO(0)), "utf-8")
    sys.stdout = TextIOWrapper(BufferedWriter(FileIO(1, "w")), "utf-8")
    sys.stderr = TextIOWrapper(
        BufferedWriter(FileIO(2, "w")), "utf-8", "backslashreplace"
    )
    code = main([str(each) for each in arguments])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def run_forked(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """
    Run the program between pipes.

    Returns:
        Its exit code, and what it wrote to its output and its standard error.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    output, to_output = os.pipe()
    errors, to_errors = os.pipe()
    process = start_forked(arguments, (nothing, to_output, to_errors), environment)
    for each in (nothing, to_output, to_errors):
        os.close(each)
    # Of errors there is never more than a pipe holds.
    with os.fdopen(output, "rb") as said, os.fdopen(errors, "rb") as complained:
        texts = said.read().decode(), complained.read().decode()
    return (os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), *texts)
