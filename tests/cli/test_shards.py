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
