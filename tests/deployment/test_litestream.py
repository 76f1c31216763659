"""
Litestream beside a store that writes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import yaml

from asm_async import open_ports
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.session_store.contract import numbers_of
from tests.page_blocks import ROOT

CONFIGURATION = ROOT / "examples" / "deploy" / "litestream.yml"
COUNT = 200


def configured(directory: Path) -> Path:
    """
    Write the example's configuration with paths of the test's own; JSON is YAML, too.
    """
    configuration = yaml.safe_load(CONFIGURATION.read_text("utf-8"))
    (database,) = configuration["dbs"]
    database["path"] = str(directory / "agents.sqlite3")
    database["replica"] |= {"path": str(directory / "copy"), "sync-interval": "50ms"}
    path = directory / "litestream.yml"
    path.write_text(json.dumps(configuration), encoding="utf-8")
    return path


async def latest_in(copy: Path, configuration: Path, database: Path) -> int:
    """
    Restore what has been copied by now, and return how far it goes.
    """
    await asyncio.to_thread(copy.unlink, missing_ok=True)
    command = ["litestream", "restore", "-config", str(configuration)]
    restoring = await asyncio.create_subprocess_exec(
        *command,
        "-o",
        str(copy),
        str(database),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if await restoring.wait():
        return 0
    async with open_ports(f"sqlite:///{copy}") as ports:
        return await ports.store.get_latest_sequence("ses_1")


async def test_what_was_copied_is_restored_whole(tmp_path: Path) -> None:
    """
    While a store writes, and after: the copy has all, in order, and nothing is wrong.
    """
    configuration, database = configured(tmp_path), tmp_path / "agents.sqlite3"
    copy = tmp_path / "restored.sqlite3"
    async with open_ports(f"sqlite:///{database}", migrate=True) as ports:
        await ports.store.save_session(make_session())
        replicating = await asyncio.create_subprocess_exec(
            "litestream",
            "replicate",
            "-config",
            str(configuration),
            stdout=subprocess.DEVNULL,
        )
        for number in range(COUNT):
            await ports.store.append_event(make_event(id=f"evt_{number}"))
        async with asyncio.timeout(60):
            while await latest_in(copy, configuration, database) < COUNT:
                pass
        replicating.terminate()
        await replicating.wait()

    async with open_ports(f"sqlite:///{copy}") as restored:
        events = await restored.store.get_events("ses_1")
        assert numbers_of(events) == list(range(1, COUNT + 1))
        assert await restored.maintenance.health_check() == []
