"""
Which database a command works on, and what it does where there is none.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from asm_async.cli.commands import COMMANDS
from asm_async.cli.main import main
from tests.cli.conftest import PROGRAM, Printed
from tests.shown_history import LAMP

READING = [
    ["sessions"],
    ["show", LAMP],
    ["tail"],
    ["search", "events"],
    ["search", "runs"],
    ["search", "text", "lamp"],
    ["search", "index"],
    ["usage"],
    ["delete", LAMP, "--yes"],
    ["restore", LAMP],
    ["erase", "--user", "ada", "--yes"],
    ["prune", "--max-idle-days", "1", "--yes"],
    ["recover"],
    ["export"],
    ["import", "-"],
    ["health"],
    ["db", "current"],
    ["db", "downgrade", "--revision", "base", "--yes"],
    ["console"],
]


def test_the_list_of_commands_above_is_whole() -> None:
    """
    A command that is added is added there, too.
    """
    without = {"completions", "keys", "shards"}

    assert {each.name for each in COMMANDS} - without == {each[0] for each in READING}


@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+aiosqlite:///{}"])
def test_a_mistyped_file_is_never_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], form: str
) -> None:
    """
    It ends with 3, names the file and says which command makes one.
    """
    path = tmp_path / "typo.sqlite3"
    url = form.format(path)

    assert main([*command, "--url", url]) == 3
    assert capsys.readouterr() == (
        "",
        ("looking for interrupted runs ...\n" if command == ["recover"] else "")
        + f"error: {path}: there is no such file; `asm db upgrade --url {url}` makes"
        " one\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [each for each in READING if each[0] not in {"db", "health", "console"}],
    ids=" ".join,
)
def test_a_database_without_our_tables_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """
    It ends with 5.
    """
    path = tmp_path / "empty.sqlite3"
    path.touch()

    assert main([*command, "--url", str(path)]) == 5
    assert "run `asm db upgrade --url URL`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name", ["agents.sqlite3", "agents.db", "my agents?%41.sqlite"]
)
def test_a_path_is_a_url(tmp_path: Path, printed: Printed, name: str) -> None:
    """
    Whatever characters it has; `asm db upgrade` makes the file.
    """
    path = tmp_path / name

    assert printed("db", "upgrade", "--url", path) == "0001\n"
    assert [each for each in tmp_path.iterdir() if each == path]
    assert printed("sessions", "--url", path) == ""


def test_a_file_of_any_name_is_a_path(file: Path, printed: Printed) -> None:
    """
    If it is there; else a word without a scheme is a URL with a mistake in it.
    """
    path = file.rename(file.with_name("conversations"))

    assert LAMP in printed("sessions", "--url", path)
    assert main(["db", "upgrade", "--url", str(path.with_name("typo"))]) == 2
    assert not path.with_name("typo").exists()


def test_a_path_is_relative_to_where_one_is(
    file: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As a plain path, as a URL, and from the environment.
    """
    monkeypatch.chdir(file.parent)
    for url in (file.name, f"./{file.name}", f"sqlite:///{file.name}"):
        assert LAMP in printed("sessions", "--url", url)
        monkeypatch.setenv("ASM_DATABASE_URL", url)
        assert LAMP in printed("sessions")
        monkeypatch.delenv("ASM_DATABASE_URL")


def test_an_option_is_stronger_than_the_environment(
    file: Path, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The variable may name another database.
    """
    monkeypatch.setenv("ASM_DATABASE_URL", str(file.with_name("other.sqlite3")))

    assert LAMP in printed("sessions", "--url", file)


def test_a_server_that_is_out_of_reach_ends_with_four(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The same command may succeed later; the password is not shown.
    """
    url = "postgresql://me:secret@127.0.0.1:1/agents"

    assert main(["sessions", "--url", url, "--timeout", "0.1"]) == 4
    assert "secret" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], {"warning"}),
        (["-v"], {"warning", "info"}),
        (["-vv"], {"warning", "info", "debug"}),
        (["-q"], set[str]()),
        (["--log-level", "error"], set[str]()),
        (["-q", "--log-level", "info"], {"warning", "info"}),
    ],
)
def test_what_the_library_logs_is_on_standard_error(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    shown: set[str],
) -> None:
    """
    From a level on, on one line each and without passwords; nothing is logged later.
    """
    logger = logging.getLogger("asm_async.tests")

    def log(*_: object) -> None:
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            logger.log(level, "of %s\n\x1b[2J", "postgresql://u:secret@host/x")

    monkeypatch.setattr("asm_async.cli.sessions.print_page", log)
    assert main(["sessions", "--url", str(file), *options]) == 0
    log()

    lines = capsys.readouterr().err.splitlines()
    ours = [line for line in lines if "asm_async.tests" in line]
    assert {line.partition(":")[0] for line in ours} == shown
    assert all("of postgresql://***@host/x" in line for line in ours)
    assert all(r"\x1b[2J" in line for line in ours)


@pytest.mark.parametrize("package", ["fastapi", "uvicorn"])
def test_a_missing_extra_is_named(
    file: Path,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    Where the console is not installed.
    """
    for name in [name for name in sys.modules if name.startswith("asm_async.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)

    assert main(["console", "--url", str(file), "--port", "0"]) == 1
    assert "pip install '.[console]'" in capsys.readouterr().err


def test_a_console_is_served_until_it_is_interrupted(file: Path) -> None:
    """
    By the program as a shell starts it; Ctrl-C is its usual end.
    """
    command = [str(PROGRAM), "console", "--url", str(file), "--port", "0", "--json"]
    with subprocess.Popen(  # noqa: S603 - the program under test
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            address = json.loads(process.stdout.readline())["url"]
            assert "<title>" in httpx.get(address).raise_for_status().text
        finally:
            process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)

    assert (process.returncode, rest, errors) == (0, b"", b"")


@pytest.mark.parametrize("as_json", [False, True])
def test_the_console_is_served_as_the_options_say(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool,
) -> None:
    """
    Its address is said once it is served.
    """
    asked: dict[str, Any] = {}

    def serve(*, on_ready: Callable[[str], object], **arguments: Any) -> None:
        asked.update(arguments)
        on_ready("http://127.0.0.1:1234/")

    stand_in = ModuleType("asm_async.console")
    stand_in.__dict__["serve"] = serve
    monkeypatch.setitem(sys.modules, "asm_async.console", stand_in)
    options = ["--port", "1234", "--writable", "--allowed-host", "a.example"]
    more = ["--json"] if as_json else []

    assert main(["console", "--url", str(file), *options, *more]) == 0
    del asked["price_lookup"], asked["through"]
    assert asked == {
        "url": f"sqlite:///{file}",
        "host": "127.0.0.1",
        "port": 1234,
        "writable": True,
        "allow_remote": False,
        "allowed_hosts": ("a.example",),
    }
    address = "http://127.0.0.1:1234/"
    assert capsys.readouterr() == (
        (f'{{"url":"{address}"}}\n', "")
        if as_json
        else ("", f"serving {address} until Ctrl-C\n")
    )
