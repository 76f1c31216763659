"""
From arguments to an exit code.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import NoReturn

from asm_async.cli.db import add_db_commands, add_health_command
from asm_async.cli.streams import drop_output, on_one_line, print_output, report
from asm_async.cli.transfer import add_transfer_commands
from asm_async.errors import ASMError

_OK, _FAILED, _INTERRUPTED = 0, 1, 130

# All of a word before its last @, since nobody knows where in it a password begins;
# behind a scheme, where it may have blanks, all before the last @ that there is.
_PASSWORD = re.compile(
    r"(?P<scheme>\w+://).*@|\S*@"
    # One that a blank has cut off: what stands there is no port.
    r"|(?P<name>\w*password=|\w+://[^\s/@:]*:(?!\d+\b))[^&\s]*",
    re.IGNORECASE,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command that *arguments* name; by default, those of the process.

    Returns:
        0 if it succeeded, 1 if it failed or found something wrong, 130 if it was
        interrupted. Wrong arguments end the process with 2.
    """
    parser = _Parser(prog="python -m asm_async", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_db_commands(
        commands.add_parser("db", help="the database's schema", allow_abbrev=False)
    )
    add_transfer_commands(commands)
    add_health_command(commands)
    parser.set_defaults(output_is_trouble=False)
    options = parser.parse_args(arguments)
    try:
        output = str(options.run(options))
        if output:
            print_output(output)
    except (ASMError, OSError) as error:
        report(f"error: {_presentable(str(error))}")
        drop_output()
        return _FAILED
    except KeyboardInterrupt:
        report("interrupted")
        return _INTERRUPTED
    return _FAILED if output and options.output_is_trouble else _OK


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """
        Refuse the arguments, of which *message* may repeat one with a password in it.
        """
        super().error(_presentable(message))


def _presentable(message: str) -> str:
    """
    Put *message* on one line and leave out the passwords of URLs in it.
    """
    return _PASSWORD.sub(_hide, on_one_line(message))


def _hide(found: re.Match[str]) -> str:
    name = found["name"]
    return f"{found['scheme'] or ''}***@" if name is None else f"{name}***"
