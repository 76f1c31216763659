"""
What commands print of a database that is encrypted, or has its large data elsewhere.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from asm_async import Ports, SessionStatus, open_ports
from asm_async.artifacts import large_data
from asm_async.cli.main import main
from asm_async.encryption import (
    DirectoryKeyStore,
    EncryptingArtifactStore,
    KeyOwner,
    KeyRing,
    LocalKeyProvider,
    encrypted_ports,
    new_master_key,
)
from asm_async.files import LocalArtifactStore
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.testing.factories import make_event, make_session
from tests.cli.conftest import Printed

SAID = "hello, world. " * 100
ENDED = make_session(status=SessionStatus.COMPLETED)
COMMANDS = [
    ["show", "ses_1"],
    ["show", "ses_1", "--json"],
    ["show", "ses_1", "--events", "--json"],
    ["tail", "ses_1", "--until-over", "--json"],
    ["search", "events", "--json"],
    ["export"],
]


@pytest.fixture(params=itertools.product([False, True], repeat=2), ids=str)
def options(
    request: pytest.FixtureRequest,
    migrated_sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """
    Return the options for a database that is encrypted or not, and has large data.
    """
    is_encrypted, has_large_data = request.param
    master, keys, large = (tmp_path / name for name in ("master", "keys", "large"))
    master.write_text(new_master_key("m"), encoding="ascii")
    master.chmod(0o600)
    monkeypatch.setenv("ASM_MASTER_KEYS_FILE", str(master))
    ring = KeyRing(DirectoryKeyStore(keys), LocalKeyProvider.from_file(master))

    async def store() -> None:
        async with open_ports(migrated_sqlite_url) as raw:
            ports: Ports = raw
            contents: ArtifactStore = LocalArtifactStore(large)
            if is_encrypted:
                ports = encrypted_ports(ports, keys=ring)
                contents = EncryptingArtifactStore(contents, keys=ring)
            if has_large_data:
                ports = large_data(ports, contents=contents, above=100)
            await ports.store.save_session(ENDED)
            await ports.store.append_event(make_event(data={"content": SAID}))

    asyncio.run(store())
    found = ["--url", migrated_sqlite_url]
    if is_encrypted:
        found += ["--keys", str(keys)]
    if has_large_data:
        found += ["--large-data", str(large)]
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_stored_is_shown_as_applications_see_it(
    options: list[str], printed: Printed, command: list[str]
) -> None:
    """
    With the directories that the application has; without them as it is stored.
    """
    assert SAID.strip() in printed(*command, *options)
    as_stored = printed(*command, *options[:2])
    assert (SAID.strip() in as_stored) is (len(options) == 2)


@pytest.mark.parametrize("option", ["--keys", "--large-data"])
def test_a_directory_that_is_not_there_is_not_made(
    migrated_sqlite_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    """
    A command that would find nothing there says so.
    """
    path = tmp_path / "typo"
    assert main(["sessions", "--url", migrated_sqlite_url, option, str(path)]) != 0
    error = capsys.readouterr().err
    assert f"{path}: there is no such directory; {option}" in error
    assert not path.exists()


def test_a_session_whose_key_was_dropped_is_shown_as_erased(
    migrated_sqlite_url: str,
    tmp_path: Path,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """
    No command fails for it.
    """
    monkeypatch.setenv("ASM_MASTER_KEYS", new_master_key("m"))
    provider = LocalKeyProvider.from_environment()
    ring = KeyRing(DirectoryKeyStore(tmp_path / "keys"), provider)

    async def store() -> None:
        async with open_ports(migrated_sqlite_url) as raw:
            ports = encrypted_ports(raw, keys=ring)
            await ports.store.save_session(ENDED)
            await ports.store.append_event(make_event(data={"content": SAID}))
        await ring.drop(KeyOwner.session("ses_1"))

    asyncio.run(store())
    options = ["--url", migrated_sqlite_url, "--keys", str(tmp_path / "keys")]
    for command in COMMANDS[1:]:
        assert SAID not in printed(*command, *options)
    assert "asm.erased" in printed("export", *options)
