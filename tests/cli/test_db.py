from __future__ import annotations

import asyncio
import gc
import runpy
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from asm_async.cli.main import main
from asm_async.sql import create_engine, migrations

VARIABLE = "ASM_DATABASE_URL"


@pytest.fixture(autouse=True)
def no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Keep a database of the user's own out of these tests.
    """
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """
    Return the place of an SQLite file that is not there yet.
    """
    return tmp_path / "asm.sqlite3"


@pytest.fixture
def url(path: Path) -> str:
    """
    Return its plain URL.
    """
    return f"sqlite:///{path}"


def revision_of(url: str) -> str | None:
    """
    Read the revision that a database is at.
    """

    async def read() -> str | None:
        engine = create_engine(url)
        try:
            return await migrations.current(engine)
        finally:
            await engine.dispose()

    return asyncio.run(read())


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """
    Run what is no command and return the complaint.
    """
    assert main(arguments) == 2
    return capsys.readouterr().err


def test_a_database_goes_up_and_down(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Each command ends with 0 and prints the revision that the database is at.
    """
    codes = [
        main(["db", "upgrade", "--url", url]),
        main(["db", "current", "--url", url]),
        main(["db", "downgrade", "--revision", "base", "--yes", "--url", url]),
        main(["db", "current", "--url", url]),
        main(["db", "upgrade", "--revision", "0001", "--url", url]),
    ]

    assert codes == [0, 0, 0, 0, 0]
    assert capsys.readouterr().out.split() == ["0001", "0001", "base", "base", "0001"]
    assert revision_of(url) == "0001"


@pytest.mark.postgres
def test_a_plain_postgresql_url_will_do(
    postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    ``postgresql://`` is read as ``postgresql+asyncpg://``.
    """
    url = sa.make_url(postgres_url).set(drivername="postgresql")
    text = url.render_as_string(hide_password=False)

    assert main(["db", "upgrade", "--url", text]) == 0
    assert capsys.readouterr().out == "0001\n"
    assert revision_of(text) == "0001"


def test_the_environment_may_name_the_database(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    Without --url the commands use ASM_DATABASE_URL.
    """
    monkeypatch.setenv(VARIABLE, url)

    assert main(["db", "upgrade"]) == 0
    assert main(["db", "sql"]) == 0
    assert capsys.readouterr().out == f"0001\n{migrations.sql('sqlite')}"
    assert revision_of(url) == "0001"


def test_sql_prints_what_the_schema_file_holds(
    path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The SQL is chosen by dialect or URL, whole or in part, and no database is touched.
    """
    codes = [
        main(["db", "sql", "--dialect", "postgresql"]),
        main(["db", "sql", "--url", url, "--revision", "0001"]),
        main(["db", "sql", "--url", url, "--from-revision", "0001"]),
    ]

    assert codes == [0, 0, 0]
    assert capsys.readouterr().out == "".join(
        [
            migrations.sql("postgresql"),
            migrations.sql("sqlite", "0001"),
            migrations.sql("sqlite", from_revision="0001"),
        ]
    )
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["upgrade", "--url", "nonsense"], 2, "this is not a database URL"),
        (["upgrade", "--url", "mysql://u:secret@h/d"], 1, "mysql is not supported"),
        (["upgrade", "--url", "sqlite:////no/such/place"], 1, "unable to open"),
        (
            ["current", "--url", "postgresql://u:secret@127.0.0.1:1/d"],
            4,
            "Connect call",
        ),
        (
            ["upgrade", "--url", "sqlite://", "--revision", "0815"],
            2,
            "'0815' is not one of",
        ),
        (
            ["sql", "--dialect", "sqlite", "--revision", "x"],
            2,
            "'x' is not one of base",
        ),
    ],
    ids=range(6),
)
def test_a_command_that_fails_says_why_in_one_line(
    arguments: list[str],
    code: int,
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    It ends with the code of the reason and shows neither a traceback nor a password.
    """
    assert main(["db", *arguments, "--timeout", "0"]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert complaint in printed.err
    assert "secret" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "a command is missing"),
        (["db"], "asm db: a command is missing"),
        (["db", "sideways"], 'Unknown command "sideways"'),
        (["db", "current"], f"--url is missing, and {VARIABLE} is not set"),
        (["db", "sql"], f"--url is missing, and {VARIABLE} is not set"),
        (["db", "downgrade", "--url", "sqlite://"], "--revision requires an argument"),
        (["db", "upgrade", "--url", "sqlite://", "--rev", "1"], "Unknown option"),
        (["db", "sql", "--dialect", "mysql"], 'Invalid value "mysql"'),
    ],
    ids=range(8),
)
def test_wrong_arguments_end_with_two(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    What is missing, unknown or abbreviated is named, and nothing runs.
    """
    assert complaint in refusal(arguments, capsys)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host/db",
        "postgresql://me:sec:secret/re@t@host/db",
        "postgresql://host/db?user=me&password=secret&ssl=require",
    ],
)
def test_a_password_in_a_misspelt_argument_is_not_repeated(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The complaint names the option alone.
    """
    complaint = refusal(["db", "current", "--ulr", url], capsys)

    assert "Unknown option" in complaint
    assert "--ulr" in complaint
    assert "secret" not in complaint


@pytest.mark.parametrize(
    "word",
    [
        "postgresql:u:SECRET@h/d",
        "//u:SECRET@h/d",
        "u:SECRET@h/d",
        "u:SECRET@SECRET@h/d",
        "'u:SECRET@h/d'",
        "postgresql://u:SECRET SECRET@h/d",
        "host=h PASSWORD=SECRET dbname=d",
        "postgres://h/d?sslpassword=SECRET",
    ],
)
@pytest.mark.parametrize(
    "before",
    [
        ["db", "current", "--ulr"],
        ["db", "current", "--timeout"],
        ["db"],
        [],
        ["export", "--url", "sqlite://", "--created-after"],
    ],
)
def test_what_may_be_a_password_is_not_repeated_wherever_it_stands(
    word: str, before: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    As the value of an option, as a command, or as a time.
    """
    # A shell makes two arguments of one that has a blank and no quotes.
    for words in ([word], word.split()):
        assert main([*before, *words]) in {1, 2}

    assert "SECRET" not in capsys.readouterr().err


def test_ctrl_c_while_the_database_is_locked_changes_nothing(
    path: Path,
    url: str,
    interrupt_at: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    The command ends with 130, soon and quietly, long before its timeout runs out.
    """
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    interrupt_at("BEGIN IMMEDIATE")
    code = main(["db", "upgrade", "--url", url])
    writer.close()
    gc.collect()

    assert (code, capsys.readouterr().err) == (130, "interrupted\n")
    assert caplog.messages == []
    assert revision_of(url) is None


def test_ctrl_c_midway_leaves_nothing_half_done(
    path: Path,
    url: str,
    interrupt_at: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    A migration that has begun is finished, and the command ends with 130.
    """
    interrupt_at("CREATE TABLE asm_runs")
    code = main(["db", "upgrade", "--url", url])

    assert (code, capsys.readouterr().err) == (130, "interrupted\n")
    assert revision_of(url) == "0001"
    with sqlite3.connect(path) as conn:
        (artifacts,) = conn.execute("SELECT count(*) FROM asm_artifacts").fetchone()
    conn.close()
    assert artifacts == 0


def test_the_package_is_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    ``python -m asm_async`` takes the arguments of the process.
    """
    arguments = ["asm_async", "db", "sql", "--dialect", "sqlite"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("asm_async", run_name="__main__")

    assert caught.value.code == 0
    assert capsys.readouterr().out == migrations.sql("sqlite")
