"""
Shards are created, listed and moved from a shell.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from asm_async.cli.main import ExitCode, main
from asm_async.sharding import moving
from asm_async.sql import create_engine
from tests.backends import migrate


@pytest.fixture
def primaries(tmp_path: Path) -> list[str]:
    """
    Return the options that name two files with our tables.
    """
    options: list[str] = []
    for name in ("east", "west"):
        url = f"sqlite:///{tmp_path / name}.sqlite3"
        asyncio.run(migrate(create_engine(url)))
        options += ["--primary", f"{name}={url}"]
    return options


def test_a_shard_is_moved(
    primaries: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The list shows what was created, and where the shard is afterwards.
    """
    monkeypatch.setattr(moving, "LEASE_SECONDS", 0)
    assert main(["shards", "create", *primaries]) == ExitCode.OK
    assert capsys.readouterr().out == "east  here  0-127\nwest  here  128-255\n"
    move = ["shards", "move", "--shard", "17", "--to", "west", *primaries]
    assert main([*move, "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["key_count"] == 0
    assert main(["shards", "list", *primaries]) == ExitCode.OK
    listed = capsys.readouterr().out
    assert listed == "east  here  0-16, 18-127\nwest  here  17, 128-255\n"


def test_a_primary_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The error says in which form it is given.
    """
    code = main(["shards", "list", "--primary", "sqlite:///a.sqlite3"])
    assert code == ExitCode.USAGE
    assert "--primary: expected NAME=URL" in capsys.readouterr().err


def test_what_is_not_being_moved_cannot_be_abandoned(
    primaries: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The error says so.
    """
    assert main(["shards", "create", *primaries]) == ExitCode.OK
    capsys.readouterr()
    code = main(["shards", "abandon", "--shard", "17", *primaries])
    assert code != ExitCode.OK
    assert "shard 17 is not being moved" in capsys.readouterr().err


def test_a_move_that_was_broken_off_is_abandoned(
    primaries: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    The list that is printed shows the shard where it was.
    """

    def break_off(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(moving, "LEASE_SECONDS", 0)
    assert main(["shards", "create", *primaries]) == ExitCode.OK
    with monkeypatch.context() as patched:
        patched.setattr(moving.Move, "_move_keys", break_off)
        move = ["shards", "move", "--shard", "17", "--to", "west", *primaries]
        assert main(move) != ExitCode.OK
    assert main(["shards", "list", *primaries]) == ExitCode.OK
    assert "east  leaving  17\nwest  arriving  17\n" in capsys.readouterr().out
    assert main(["shards", "abandon", "--shard", "17", *primaries]) == ExitCode.OK
    listed = capsys.readouterr().out
    assert listed == "east  here  0-127\nwest  here  128-255\n"
