"""
The files that rollouts of Codex lie in: compressed, and of the first form.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest

from asm_async import InMemoryPorts, Ports
from asm_async.importers import import_from
from asm_async.importers.detecting import kind_of
from tests.importers.test_codex import FILE, ID, THREAD, message, meta, write

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TOLD = ["Hi.", "Hello."]


async def told(ports: Ports) -> list[str]:
    """
    Return what is said in the thread.
    """
    parts: list[dict[str, str]] = []
    for event in await ports.store.get_events(ID):
        parts += event.data.get("content", [])
    return [part["text"] for part in parts]


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
async def test_a_rollout_that_was_compressed_since_is_the_same(
    tmp_path: Path, suffix: str
) -> None:
    """
    Codex compresses it after a week: nothing is imported again, alone or in a folder.
    """
    lines = [meta(), message(1, "user", "Hi."), message(2, "assistant", "Hello.")]
    path = write(tmp_path / "2025" / FILE, *lines)
    whole = path.read_bytes()
    compress = zstd.compress if suffix == ".zst" else gzip.compress
    async with InMemoryPorts() as ports:
        first = await import_from(ports, "codex", str(tmp_path))
        path.unlink()
        # Who appends to it adds a frame.
        pieces = compress(whole[:100]) + compress(whole[100:])
        path.with_name(FILE + suffix).write_bytes(pieces)
        for place in (tmp_path, path.with_name(FILE + suffix)):
            assert (await kind_of(str(place))).name == "codex"
            again = await import_from(ports, "codex", str(place))
            assert again.problems == ()
            assert (again.events_known, again.events_imported) == (
                first.events_imported,
                0,
            )
        assert await told(ports) == TOLD


@pytest.mark.parametrize(
    "part", [slice(None, -9), slice(9, None)], ids=["end", "begin"]
)
async def test_a_compressed_rollout_that_is_damaged_is_reported(
    tmp_path: Path, part: slice
) -> None:
    """
    And the next one is read.
    """
    whole = write(tmp_path / FILE, meta(), message(1, "user", "Hi.")).read_bytes()
    (tmp_path / "rollout-0.jsonl.zst").write_bytes(zstd.compress(whole)[part])
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "codex", str(tmp_path))
        assert await told(ports) == TOLD[:1]
    assert [(each.source, str(each.code)) for each in done.problems] == [
        ("rollout-0.jsonl.zst", "unreadable")
    ]


async def test_what_uncompresses_rollouts_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As the reason why a file is not read; others are.
    """
    write(tmp_path / FILE, meta(), message(1, "user", "Hi."))
    (tmp_path / "rollout-0.jsonl.zst").write_bytes(b"")
    monkeypatch.setattr("asm_async.importers.compression._MODULES", ("no_such.zstd",))
    async with InMemoryPorts() as ports:
        done = await import_from(ports, "codex", str(tmp_path))
        assert await told(ports) == TOLD[:1]
    (problem,) = done.problems
    assert "backports.zstd is not installed" in problem.reason
    assert "[zstd]" in problem.reason


@pytest.mark.parametrize("prefix", ["rollout-2025-04-16-", ""])
async def test_rollouts_of_the_first_form_are_objects(
    tmp_path: Path, prefix: str
) -> None:
    """
    Of a session and items; one that is cut off is reported.
    """
    name, time = f"{prefix}{THREAD}.json", "2025-04-16T10:00:00.000Z"
    items = [
        message(1, "user", "Hi.")["payload"],
        message(2, "assistant", "Hello.")["payload"],
        7,
    ]
    session = {"timestamp": time, "id": THREAD, "instructions": ""}
    text = json.dumps({"session": session, "items": items}, indent=2)
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "rollout-cut.json").write_text(text[:-20], encoding="utf-8")
    async with InMemoryPorts() as ports:
        assert (await kind_of(str(tmp_path / name))).name == "codex"
        for new in (True, False):
            done = await import_from(ports, "codex", str(tmp_path))
            assert bool(done.events_imported) is new
            assert {(each.source, str(each.code)) for each in done.problems} == {
                (name, "not_understood"),
                ("rollout-cut.json", "not_json"),
            }
        assert await told(ports) == TOLD
        stored = await ports.store.get_session(ID)
        assert stored.created_at.isoformat() == "2025-04-16T10:00:00+00:00"
