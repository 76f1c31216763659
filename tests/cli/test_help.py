"""
What can be asked of the program without a database, and how long that takes.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from inspect import cleandoc, getdoc
from pathlib import Path

import pytest

import asm_async.cli
from asm_async.cli.commands import COMMANDS, Command
from asm_async.cli.main import main
from tests.cli.conftest import PROGRAM, Printed, RunProgram

SOURCE = Path(asm_async.cli.__file__).parent

# What takes long to import, and is needed only where there is something to print.
UNWANTED = {
    "alembic",
    "aiosqlite",
    "asyncpg",
    "genai_prices",
    "httpx",
    "pydantic",
    "rich.markdown",
    "rich.progress",
    "rich.syntax",
    "sqlalchemy",
}
# What each child loads beside what all need, as a process of its own would.
PRINT_MODULES = """
import io, json, os, sys
from asm_async.cli.main import main
for arguments in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        output, sys.stdout = sys.stdout, io.StringIO()
        main(arguments)
        print(json.dumps([*sys.modules]), file=output, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""

MAX_SECONDS_FOR_HELP = 0.3
"""
Of a processor, the best of several times; with others at work a command waits longer.
"""


def leaves(
    commands: Sequence[Command] = COMMANDS, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Command]]:
    """
    Yield the words that name each command, and the command.
    """
    for each in commands:
        words = (*before, each.name)
        if each.commands:
            yield from leaves(each.commands, words)
        else:
            yield words, each


LEAVES = dict(leaves())
by_command = pytest.mark.parametrize("words", LEAVES, ids=" ".join)


def test_help_names_each_command(run_program: RunProgram) -> None:
    """
    With its purpose; nothing is asked of a database.
    """
    done = run_program("--help")
    shown = done.stdout.decode()

    assert (done.returncode, done.stderr) == (0, b"")
    for each in COMMANDS:
        assert f" {each.name} " in shown
        assert each.purpose in shown


@by_command
def test_each_command_explains_itself(
    words: tuple[str, ...], printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    All that its docstring says stands in its help, each option with what it does.
    """
    monkeypatch.setenv("COLUMNS", "300")
    shown = printed(*words, "--help")
    text, _, options = cleandoc(getdoc(LEAVES[words].imported()) or "").partition(
        "Args:"
    )

    assert shown.startswith(f"Usage: asm {' '.join(words)}")
    assert " ".join(text.split()) in " ".join(shown.split())
    rows = [line for line in shown.splitlines() if line.startswith("│")]
    assert rows or not options
    # A row with a name and nothing else is an option that nobody explains.
    assert [row for row in rows if len(row.strip("│* ").split("  ")) == 1] == []
    for option in filter(None, (line.strip() for line in options.splitlines())):
        _, _, meaning = option.partition(": ")
        assert meaning in shown, option


def test_version_is_that_of_the_package(run_program: RunProgram) -> None:
    """
    And all that is printed.
    """
    assert run_program("--version").stdout.decode() == f"{version('asm_async')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell: str, printed: Printed) -> None:
    """
    The script names all commands, and options of theirs.
    """
    script = printed("completions", shell)

    for words in LEAVES:
        assert words[-1] in script
    assert "--include-deleted" in script or "include-deleted" in script


def test_bash_takes_the_completions(printed: Printed, tmp_path: Path) -> None:
    """
    It completes a command and an option of one.
    """
    script = tmp_path / "completions"
    script.write_text(printed("completions", "bash"))
    complete = (
        f". {script}; COMP_WORDS=({{}}); COMP_CWORD=$((${{{{#COMP_WORDS[@]}}}} - 1));"
        ' COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}};'
        ' _asm; echo "${{COMPREPLY[@]}}"'
    )

    def completed(words: str) -> str:
        line = complete.replace("{{", "{").replace("}}", "}").replace("{}", words)
        ran = subprocess.run(  # noqa: S603 - the shell whose script it is
            ["/bin/bash", "-c", line], capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    assert completed("asm rec") == "recover"
    assert completed("asm prune --max-idle").startswith("--max-idle-days")


def seconds_of(command: Sequence[str | Path]) -> float:
    """
    Return what a process takes of a processor, the first or best that is little enough.
    """
    environment = {**os.environ, "COLUMNS": "80"}
    # Where Python may not keep what it compiled, it compiles everything each time.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    taken: list[float] = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - the program under test
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(
            after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        )
        if taken[-1] < MAX_SECONDS_FOR_HELP:
            break
    return min(taken)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["show", "--help"]])
def test_help_comes_at_once(arguments: list[str]) -> None:
    """
    In less than 0.3 seconds of a processor.
    """
    assert seconds_of([PROGRAM, *arguments]) < MAX_SECONDS_FOR_HELP


def test_help_waits_for_nothing_that_it_does_not_need() -> None:
    """
    Of no command, neither for SQLAlchemy nor for what prints more than help.
    """
    asked = [["--help"], *([*words, "--help"] for words in LEAVES)]
    command = [sys.executable, "-c", PRINT_MODULES, json.dumps(asked)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own script
    lines = ran.stdout.splitlines()

    for arguments, line in zip(asked, lines, strict=True):
        imported = set(json.loads(line))
        assert "cyclopts" in imported, arguments
        assert imported & UNWANTED == set(), arguments


def test_every_module_is_of_a_command_or_used_by_one() -> None:
    """
    What the table of commands names is there.
    """
    named = {each.function.partition(":")[0] for each in LEAVES.values()}

    assert named <= {path.stem for path in SOURCE.glob("*.py")}


@pytest.mark.parametrize("words", [(), ("db",), ("search",)], ids=" ".join)
def test_without_a_command_help_is_shown_and_something_is_missing(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    A script that lost its arguments does not go on as if all were well.
    """
    assert main([*words]) == 2
    output = capsys.readouterr()
    assert output.out.startswith(f"Usage: {' '.join(('asm', *words))} COMMAND")
    assert output.err == f"error: {' '.join(('asm', *words))}: a command is missing\n"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["sessionz"], 'Did you mean "sessions"?'),
        (["sessions", "--agnet", "x"], "Did you mean --agent?"),
        (["sessions", "--status", "activee"], 'Did you mean "active"?'),
        (["search", "event"], 'Did you mean "events"?'),
    ],
)
def test_what_is_mistyped_is_guessed(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    And the command whose help explains it is named.
    """
    assert main(arguments) == 2
    error, explained = capsys.readouterr().err.splitlines()
    assert hint in error
    assert explained.endswith(" --help explains it")
