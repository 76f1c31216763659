"""
``asm completions``: what a shell completes.
"""

from __future__ import annotations

from typing import Literal

import asm_async.cli.commands as program
from asm_async.cli.streams import print_output


def print_completions(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """
    Print the script that completes commands and options in a shell.

    Put it where the shell looks for one: for bash
    ~/.local/share/bash-completion/completions/asm, for zsh a file _asm in a directory
    of $fpath, for fish ~/.config/fish/completions/asm.fish.

    Args:
        shell: Which shell.
    """
    print_output(program.build_app().generate_completion(shell=shell))
