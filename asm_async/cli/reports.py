"""
What a command says on standard error: reports and questions.
"""

from __future__ import annotations

import sys

from asm_async.cli.options import Options
from asm_async.cli.streams import is_terminal, report
from asm_async.errors import ValidationError


def say(options: Options, line: str) -> None:
    """
    Report what was done, unless the command is to be quiet.
    """
    if not options.quiet:
        report(line)


def confirm(question: str, *, yes: bool) -> None:
    """
    Ask a person whether to go on; nobody is asked where the answer is *yes* already.

    Raises:
        ValidationError: If the answer is another one, or there is nobody to ask.
    """
    if yes:
        return
    if not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        raise ValidationError(f"{question} There is no terminal to ask at: add --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise ValidationError("not confirmed: nothing was changed")
