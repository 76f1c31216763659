"""
The contents of artifacts go along with an export, from directory to directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from asm_async import open_ports
from asm_async.artifacts import ArtifactLibrary
from asm_async.cli.main import main
from asm_async.files import LocalArtifactStore
from asm_async.files.content_directory import TemporaryFile
from asm_async.testing.query_api.transfer import store_session

REPORT = b"# Findings\n"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """
    Return the URL of an SQLite file with an artifact, whose content is in "here".
    """
    url = f"sqlite:///{tmp_path / 'one.sqlite3'}"

    async def store_all() -> None:
        async with open_ports(url, migrate=True) as ports:
            await store_session(ports.store, "ses_1")
            store = LocalArtifactStore(tmp_path / "here")
            library = ArtifactLibrary(ports.artifacts, store)
            await library.save(REPORT, key="report", session_id="ses_1")

    asyncio.run(store_all())
    return url


def export(url: str, tmp_path: Path, **options: str) -> int:
    """
    Export to a file with some options, and give the exit code.
    """
    named = {
        "--output": str(tmp_path / "export.jsonl"),
        "--artifact-store": str(tmp_path / "here"),
        "--contents": str(tmp_path / "attic"),
        **options,
    }
    given = [word for option in named.items() if option[1] for word in option]
    return main(["export", "--url", url, *given])


def files_in(directory: Path) -> list[Path]:
    """
    List all files below a directory, but for the store's own lock.
    """
    found = [path for path in directory.rglob("*") if path.is_file()]
    return [path for path in found if len(path.name) == 64 or "tmp" in path.parts]


def test_contents_go_along_and_come_back(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The other database's artifact has its content in the other directory.
    """
    other = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    assert main(["db", "upgrade", "--url", other]) == 0
    capsys.readouterr()

    assert export(url, tmp_path) == 0
    places = ["--contents", str(tmp_path / "attic")]
    places += ["--artifact-store", str(tmp_path / "there")]
    file = str(tmp_path / "export.jsonl")
    assert main(["import", "--url", other, *places, file]) == 0

    moved, copied = (
        "1 sessions, 2 runs, 1 artifacts, 0 state items, 5 events",
        "copied 1 contents",
    )
    assert capsys.readouterr().err.splitlines() == [
        f"exported {moved}; {copied}, 11 bytes",
        f"imported {moved}; 0 sessions were here already; {copied}, 11 bytes",
    ]

    async def read() -> bytes:
        async with open_ports(other) as ports:
            store = LocalArtifactStore(tmp_path / "there")
            library = ArtifactLibrary(ports.artifacts, store)
            return await library.read((await ports.artifacts.get_by_key("report")).id)

    assert asyncio.run(read()) == REPORT


@pytest.mark.parametrize(
    ("places", "complaint"),
    [
        ({"--contents": ""}, "error: --contents and --artifact-store: contents are"),
        ({"--artifact-store": ""}, "error: --contents and --artifact-store: "),
        ({"--artifact-store": "nowhere"}, "error: {}/nowhere: there is no such dir"),
    ],
)
def test_places_are_checked_first(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    places: dict[str, str],
    complaint: str,
) -> None:
    """
    Both are needed, and contents come from where there are some; nothing is written.
    """
    with contextlib.chdir(tmp_path):
        assert export(url, tmp_path, **places) == 2
    assert capsys.readouterr().err.startswith(complaint.format(tmp_path))
    assert not (tmp_path / "export.jsonl").exists()
    assert not (tmp_path / "nowhere").exists()


def test_a_lost_content_fails_the_export(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    There is no file then that looks like a whole export.
    """
    (content,) = files_in(tmp_path / "here")
    content.unlink()

    assert export(url, tmp_path) == 1
    assert "is missing" in capsys.readouterr().err
    assert not (tmp_path / "export.jsonl").exists()


def test_an_interrupted_copy_leaves_nothing_half_written(
    url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    Neither a part of a content, nor a file of an export.
    """
    write = TemporaryFile.write

    def interrupted(self: TemporaryFile, data: Any) -> None:
        write(self, data)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(TemporaryFile, "write", interrupted)

    assert export(url, tmp_path) == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert files_in(tmp_path / "attic") == []
    assert not [path for path in tmp_path.iterdir() if "export.jsonl" in path.name]
