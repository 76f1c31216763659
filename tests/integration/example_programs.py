"""
The example programs, run as a user would run them.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import asm_async
from tests.forked_program import run_script

__all__ = [
    "ENVIRONMENT",
    "EXAMPLES",
    "SAMPLE",
    "interrupt_once_under_way",
    "record",
    "run_example",
    "run_python",
    "without_warnings",
]

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = EXAMPLES / "data" / "conversations.json"

# The examples run on the package that these tests run on, installed or not.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(asm_async.__file__).parents[1])}


def without_warnings(errors: str) -> str:
    """
    Return what a program wrote of errors, but for how durable the tests' server is.
    """
    lines = errors.splitlines(keepends=True)
    return "".join(line for line in lines if "a power cut can undo" not in line)


def run_python(
    *arguments: str | Path, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """
    Run Python to its end.
    """
    return subprocess.run(  # noqa: S603 - a script of ours
        [sys.executable, *arguments],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        timeout=timeout,
        check=False,
    )


def run_example(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """
    Run an example to its end, in a process that need not import anything.
    """
    return run_script(EXAMPLES / name, *arguments)


def record(path: Path, url: str) -> subprocess.CompletedProcess[str]:
    """
    Record the conversations of a file.
    """
    return run_example("record_conversations.py", path, "--url", url)


def interrupt_once_under_way(name: str, *arguments: str | Path) -> tuple[int, bytes]:
    """
    Start an example and send SIGINT when its progress bar moves.

    Returns:
        The exit code, and what stands on the standard error: no traceback.
    """
    # A child hears SIGINT also where a shell started the tests without it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with subprocess.Popen(  # noqa: S603 - a script of ours
            [sys.executable, EXAMPLES / name, *arguments],
            stderr=subprocess.PIPE,
            env={**ENVIRONMENT, "FORCE_COLOR": "1", "TERM": "xterm"},
        ) as process:
            assert process.stderr
            seen = b""
            while not re.search(rb"[1-9]\d*%", seen):
                piece = os.read(process.stderr.fileno(), 4096)
                assert piece, seen.decode()
                seen += piece
            process.send_signal(signal.SIGINT)
            seen += process.stderr.read()
            code = process.wait(60)
    finally:
        signal.signal(signal.SIGINT, before)
    assert b"Traceback" not in seen
    return code, seen
