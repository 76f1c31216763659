from __future__ import annotations

import asyncio
import gc
import gzip
import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asm_async import open_store
from asm_async.cli.main import main
from asm_async.testing.query_api.transfer import export_of, history, store_session


@pytest.fixture(autouse=True)
def no_url_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Keep a database of the user's own out of these tests.
    """
    monkeypatch.delenv("ASM_DATABASE_URL", raising=False)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file that holds two sessions.
    """
    url = f"sqlite:///{tmp_path / 'one.sqlite3'}"
    fill(url, "ses_1", "ses_2")
    return url


@pytest.fixture
def empty_url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file that has our tables and nothing in them.
    """
    url = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    fill(url)
    return url


def fill(url: str, *session_ids: str) -> None:
    """
    Store sessions, in a database that gets our tables if it has none.
    """

    async def store_all() -> None:
        async with open_store(url, migrate=True) as store:
            for session_id in session_ids:
                await store_session(
                    store, session_id, agent_id=f"agent of {session_id}"
                )

    asyncio.run(store_all())


def exported(url: str, file: Path, *options: str) -> bytes:
    """
    Export to a file and read it.
    """
    assert main(["export", "--url", url, "--output", str(file), *options]) == 0
    return file.read_bytes()


def test_what_is_exported_can_be_imported(
    url: str, empty_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The other database exports the same bytes; standard error says how much it was.
    """
    export = exported(url, tmp_path / "export.jsonl")
    imports = [
        main(["import", "--url", empty_url, str(tmp_path / "export.jsonl")])
        for _ in range(2)
    ]

    assert imports == [0, 0]
    assert exported(empty_url, tmp_path / "again.jsonl") == export
    printed = capsys.readouterr()
    assert printed.out == ""
    moved = "2 sessions, 4 runs, 0 artifacts, 0 state items, 10 events"
    none = "0 artifacts, 0 state items, 0 events"
    assert printed.err.splitlines()[:3] == [
        f"exported {moved}",
        f"imported {moved}; 0 sessions were here already",
        f"imported 0 sessions, 0 runs, {none}; 2 sessions were here already",
    ]


@pytest.mark.postgres
def test_history_moves_from_sqlite_to_postgresql_and_back(
    url: str, empty_url: str, migrated_postgres_url: str, tmp_path: Path
) -> None:
    """
    It arrives as it left.
    """
    export = exported(url, tmp_path / "1.jsonl")

    assert (
        main(["import", "--url", migrated_postgres_url, str(tmp_path / "1.jsonl")]) == 0
    )
    assert exported(migrated_postgres_url, tmp_path / "2.jsonl") == export
    assert main(["import", "--url", empty_url, str(tmp_path / "2.jsonl")]) == 0
    assert exported(empty_url, tmp_path / "3.jsonl") == export


def test_an_export_goes_through_a_pipe(
    url: str,
    empty_url: str,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Standard output is the default, and nothing else is printed there.
    """
    assert main(["export", "--url", url]) == 0
    export = capsysbinary.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(export)))

    assert main(["import", "--url", empty_url, "-"]) == 0
    assert exported(empty_url, tmp_path / "export.jsonl") == export


def test_a_name_may_ask_for_compression(
    url: str, empty_url: str, tmp_path: Path
) -> None:
    """
    A file that ends with .gz is compressed and read as such; the same gives the same.
    """
    plain = exported(url, tmp_path / "export.jsonl")
    compressed = exported(url, tmp_path / "one.jsonl.gz")

    assert gzip.decompress(compressed) == plain
    assert exported(url, tmp_path / "other.jsonl.gz") == compressed
    assert main(["import", "--url", empty_url, str(tmp_path / "one.jsonl.gz")]) == 0
    assert exported(empty_url, tmp_path / "again.jsonl") == plain


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--agent", "agent of ses_2"], 1),
        (["--user", "nobody"], 0),
        (["--tag", "a", "--tag", "b"], 2),
        (["--tag", "c"], 0),
        (["--status", "pending", "--status", "active"], 2),
        (["--status", "active"], 0),
        (["--created-after", "2026-01-01T00:00Z"], 2),
        (["--created-before", "2026-01-01T00:00Z"], 0),
        (["--provider", "none"], 0),
        (["--include-deleted"], 2),
    ],
    ids=range(10),
)
def test_options_choose_sessions(
    url: str, tmp_path: Path, options: list[str], found: int
) -> None:
    """
    They are the filters of ``export_sessions``.
    """
    export = exported(url, tmp_path / "export.jsonl", *options)

    assert export.count(b'{"record":"session",') == found


def test_ctrl_c_leaves_no_half_file(
    url: str,
    tmp_path: Path,
    interrupt_at: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The command ends with 130, and a file of that name is what it was.
    """
    file = tmp_path / "export.jsonl"
    file.write_bytes(b"of last week")
    files = set(tmp_path.iterdir())
    interrupt_at("FROM asm_events")

    code = main(["export", "--url", url, "--output", str(file)])

    assert (code, capsys.readouterr().err) == (130, "interrupted\n")
    assert file.read_bytes() == b"of last week"
    assert {path for path in tmp_path.iterdir() if "sqlite3" not in path.name} == {
        path for path in files if "sqlite3" not in path.name
    }


def test_ctrl_c_leaves_no_half_session(
    url: str,
    empty_url: str,
    tmp_path: Path,
    interrupt_at: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """
    The command ends with 130; repeated, it imports the rest.
    """
    file = tmp_path / "export.jsonl"
    export = exported(url, file)
    interrupt_at("INSERT INTO asm_events")
    code = main(["import", "--url", empty_url, str(file)])
    gc.collect()

    assert code == 130
    assert capsys.readouterr().err.splitlines()[-1] == "interrupted"
    half = exported(empty_url, tmp_path / "half.jsonl")
    assert half.count(b'"record":"event"') == 5 * half.count(b'"record":"session"')
    assert main(["import", "--url", empty_url, str(file)]) == 0
    assert exported(empty_url, tmp_path / "again.jsonl") == export


def test_an_export_is_its_owners_alone(url: str, tmp_path: Path) -> None:
    """
    Conversations are nobody else's business.
    """
    exported(url, tmp_path / "export.jsonl")

    assert (tmp_path / "export.jsonl").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("missing.jsonl", None, "No such file or directory"),
        ("cut.jsonl", export_of(history())[:-20], "line 7: this is not JSON"),
        ("no.jsonl.gz", b"{}\n", "Not a gzipped file"),
        (
            "cut.jsonl.gz",
            gzip.compress(export_of(history()))[:-20],
            "Compressed file ended before",
        ),
        (
            "other.jsonl",
            export_of(history()),
            "session 'ses_1' cannot be imported: it is at sequence number 5 here",
        ),
    ],
)
def test_an_import_that_fails_says_why(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    content: bytes | None,
    complaint: str,
) -> None:
    """
    It ends with 1, shows no traceback, and says what was imported all the same.
    """
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    if "cut" in name:
        url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        fill(url)

    assert main(["import", "--url", url, str(file)]) == 1
    told, error = capsys.readouterr().err.splitlines()
    assert told.startswith("imported ")
    assert error.startswith("error: ")
    assert complaint in error


@pytest.mark.parametrize("name", ["", "missing/export.jsonl"])
def test_an_export_needs_a_place(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """
    It ends with 2 and names the place, if that is a directory or lies in none.
    """
    assert main(["export", "--url", url, "--output", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / name}: ")


@pytest.mark.parametrize("command", ["export", "import"])
def test_a_database_without_our_tables_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """
    The error says what to run, and no file is made.
    """
    file = tmp_path / "export.jsonl"
    arguments = ["--output", str(file)] if command == "export" else ["-"]

    (tmp_path / "a.sqlite3").touch()
    code = main([command, "--url", f"sqlite:///{tmp_path / 'a.sqlite3'}", *arguments])

    assert code == 5
    assert "db upgrade" in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["export"], "--url is missing"),
        (["import", "-"], "--url is missing"),
        (["import", "--url", "sqlite://"], "FILE requires an argument"),
        (["export", "--url", "sqlite://", "--status", "odd"], 'Invalid value "odd"'),
        (["export", "--url", "sqlite://", "--created-after", "x"], "is no time"),
    ],
    ids=range(5),
)
def test_wrong_arguments_end_with_two(
    capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    """
    What is missing or unknown is named, and nothing runs.
    """
    assert main(arguments) == 2
    assert complaint in capsys.readouterr().err
