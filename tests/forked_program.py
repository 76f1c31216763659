"""
Programs in processes that are forked from the tests' own.

Each has its own streams, environment and exit code, as one that a shell starts, without
half a second of imports. What is about a program's start, or about signals, is tested
with one that a shell would start.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from logging import getLogger
from pathlib import Path

__all__ = ["run_forked", "run_script", "start_forked"]


def start_forked(
    work: Callable[[], int],
    streams: tuple[int, int, int],
    environment: Mapping[str, str],
) -> int:
    """
    Start *work* with file descriptors as its streams, and return its process id.
    """
    with warnings.catch_warnings():
        # Other threads hold no lock that the child needs: they wait for messages.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        code = 1
        # Nothing of the tests must run on in the child, whatever happens.
        try:
            for own, given in enumerate(streams):
                os.dup2(given, own)
            os.environ.update(environment)
            code = _run(work)
        finally:
            os._exit(code)
    return process


def _run(work: Callable[[], int]) -> int:
    """
    Do *work* as the interpreter does it, and return its exit code.
    """
    sys.stdin = TextIOWrapper(BufferedReader(FileIO(0)), "utf-8")
    sys.stdout = TextIOWrapper(BufferedWriter(FileIO(1, "w")), "utf-8")
    sys.stderr = TextIOWrapper(
        BufferedWriter(FileIO(2, "w")), "utf-8", "backslashreplace"
    )
    # What listens here is pytest's, and so is that warnings are errors.
    getLogger().handlers.clear()
    warnings.resetwarnings()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = work()
    except BaseException:  # noqa: BLE001 - it ends here
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def run_forked(
    work: Callable[[], int], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """
    Do *work* between pipes.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    output, to_output = os.pipe()
    errors, to_errors = os.pipe()
    process = start_forked(work, (nothing, to_output, to_errors), environment)
    for each in (nothing, to_output, to_errors):
        os.close(each)
    try:
        # Of errors there is never more than a pipe holds.
        with os.fdopen(output, "rb") as said, os.fdopen(errors, "rb") as complained:
            texts = said.read().decode(), complained.read().decode()
    except BaseException:
        os.kill(process, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(process, 0)
    return subprocess.CompletedProcess([], os.waitstatus_to_exitcode(status), *texts)


def run_script(path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """
    Run a file of Python as the program that it is.
    """

    def work() -> int:
        sys.argv = [str(path), *map(str, arguments)]
        sys.path.insert(0, str(path.parent))
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ending:
            return int(ending.code or 0)
        return 0

    return run_forked(work, {})
