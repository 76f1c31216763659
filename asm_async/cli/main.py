"""
From arguments to an exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import IntEnum

from cyclopts import App, CycloptsError

from asm_async.cli.commands import build_app
from asm_async.cli.streams import drop_output, print_output, report
from asm_async.errors import (
    ASMError,
    MigrationRequiredError,
    NotFoundError,
    StorageError,
    ValidationError,
)


class ExitCode(IntEnum):
    """
    How a command ended, for the shell.
    """

    OK = 0
    FAILED = 1
    """
    It failed, or found something wrong.
    """

    USAGE = 2
    """
    The arguments are wrong, or a destructive command was not confirmed.
    """

    NOT_FOUND = 3
    """
    There is no such session or file.
    """

    UNAVAILABLE = 4
    """
    The database is busy or out of reach: the same command may succeed later.
    """

    SCHEMA = 5
    """
    The schema is missing, older or newer than this version.
    """

    INTERRUPTED = 130
    """
    Ctrl-C.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command that *arguments* name; by default, those of the process.

    Returns:
        One of :class:`ExitCode`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(given)
        print_output("")
    except BrokenPipeError:
        # Anyone who reads has seen enough, as `head` has.
        drop_output()
        return ExitCode.OK
    except (ASMError, OSError) as error:
        report(f"error: {error}")
        drop_output()
        return _exit_code_of(error)
    except KeyboardInterrupt:
        report("interrupted")
        drop_output()
        return ExitCode.INTERRUPTED
    return code


def _run(arguments: list[str]) -> int:
    app = build_app(arguments)
    names, named = _named(app, arguments)
    if named.default_command is None and names[1:] == arguments:
        app.help_print(arguments)
        report(f"error: {' '.join(names)}: a command is missing")
        return ExitCode.USAGE
    try:
        code: int | None = app(
            arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        report(f"error: {error}")
        report(f"{' '.join(names)} --help explains it")
        return ExitCode.USAGE
    except SystemExit:
        # So rich ends where nobody reads what it prints any more.
        return ExitCode.OK
    return code or ExitCode.OK


def _named(app: App, arguments: list[str]) -> tuple[list[str], App]:
    """
    Return the words that name a command, and the command.
    """
    names = ["asm"]
    for word in arguments:
        if word.startswith("-") or word not in app:
            break
        names.append(word)
        app = app[word]
    return names, app


def _exit_code_of(error: Exception) -> ExitCode:
    match error:
        case ValidationError():
            return ExitCode.USAGE
        case NotFoundError():
            return ExitCode.NOT_FOUND
        case MigrationRequiredError():
            return ExitCode.SCHEMA
        case StorageError() if error.retryable:
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILED
