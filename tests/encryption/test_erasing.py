"""
After its key is gone nothing of a session can be read, and readers say so.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asm_async import Ports
from asm_async.encryption import (
    EncryptingSessionStore,
    KeyOwner,
    encrypted_ports,
)
from asm_async.encryption.coder import EncryptingCoder
from asm_async.encryption.maintenance import EncryptingMaintenance
from asm_async.errors import KeyDroppedError, SessionNotFoundError, ValidationError
from asm_async.sql import SQLMaintenance, SQLPorts, create_engine, migrations
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.transcripts import read_transcript
from asm_async.values.event import Event
from asm_async.values.maintenance import ErasureReport
from asm_async.values.retention import RetentionPolicy
from asm_async.values.session_export import SessionExport
from tests.encrypted_ports import key_ring
from tests.encryption.databases import Encrypted
from tests.encryption.telling import ERASED, SAID, tell_secrets


async def test_what_is_gone_is_shown_as_gone(encrypted: Encrypted) -> None:
    """
    Ids, types, times, counts and models remain; transcripts and exports do not fail.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    before = await ports.query.export_session("ses_1")
    keys = key_ring(encrypted.key_store)
    await keys.drop(KeyOwner.session("ses_1"))

    for reader in (ports, encrypted.ports()):
        export = await reader.query.export_session("ses_1")
        assert SAID not in repr(export)
        assert export.session.metadata == ERASED
        assert export.session.context == {}
        (run,) = export.runs
        assert (run.metadata, run.input, run.output, run.error) == (
            ERASED,
            None,
            None,
            None,
        )
        assert (run.model, run.token_usage) == ("gpt-5", before.runs[0].token_usage)
        assert [(event.data, event.metadata) for event in export.events] == [
            (ERASED, {})
        ] * 20
        assert [(event.id, event.type, event.timestamp) for event in export.events] == [
            (event.id, event.type, event.timestamp) for event in before.events
        ]
        assert [(item.data, item.content) for item in export.items] == [(ERASED, None)]
        assert export.artifacts[0].metadata == ERASED
        transcript = await read_transcript(reader.store, "ses_1")
        assert len(transcript.events) == 20
        assert SAID not in repr(transcript)
        lines = list[bytes]()

        async def write(data: bytes, lines: list[bytes] = lines) -> None:
            lines.append(data)

        await reader.query.export_sessions(write)
        assert SAID.encode() not in b"".join(lines)
        assert b"".join(lines).count(b"asm.erased") == 24
        async with aclosing(reader.feed.follow_session("ses_1")) as events:
            assert (await anext(events)).data == ERASED


async def test_nothing_is_written_to_what_was_erased(encrypted: Encrypted) -> None:
    """
    By nobody: a typed error says what was dropped.
    """
    ports, other = encrypted.ports(), encrypted.ports()
    await tell_secrets(ports)
    await other.store.get_events("ses_1")
    await key_ring(encrypted.key_store).drop(KeyOwner.session("ses_1"))
    for writer in (ports, other):
        for call in (
            writer.store.append_event(make_event(id="new")),
            writer.store.save_run(make_run(id="new")),
            writer.store.save_session(make_session()),
            writer.state.save_items([make_item(session_id="ses_1")]),
            writer.artifacts.register(make_artifact(session_id="ses_1")),
        ):
            with pytest.raises(KeyDroppedError, match="session 'ses_1'"):
                await call


async def test_an_erasure_drops_the_keys_before_it_removes(
    encrypted: Encrypted,
) -> None:
    """
    When the first batch begins they are gone, of children too; others stay.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    await tell_secrets(ports, "ses_2")
    child = make_session(id="child", tenant_id="acme", parent_session_id="ses_1")
    await ports.store.save_session(child)
    await ports.store.save_session(make_session(id="other", tenant_id="acme"))
    kept = await encrypted.raw.query.export_session("ses_1")

    def broken_off(_: ErasureReport) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await ports.maintenance.erase(
            user_id="ann", with_children=True, progress=broken_off
        )
    keys = key_ring(encrypted.key_store)
    record = await keys.find(KeyOwner.session("child"))
    assert record is not None
    assert record.is_dropped
    assert (await ports.store.get_session("other")).metadata == {}
    report = await ports.maintenance.erase(user_id="ann", with_children=True)
    assert report.is_complete
    with pytest.raises(SessionNotFoundError):
        await ports.store.get_session("ses_1")
    for session_id in ("ses_1", "ses_2"):
        record = await keys.find(KeyOwner.session(session_id))
        assert record is not None
        assert record.is_dropped
    # The id may be used again, and begins with nothing; a copy of before stays unread.
    await tell_secrets(ports)
    coder = EncryptingCoder(keys, encrypted.raw.store)
    (event,) = await coder.decode(kept.events[:1])
    assert isinstance(event, Event)
    assert event.data == ERASED
    assert (await ports.store.get_events("ses_1"))[0].metadata == {"text": SAID}


async def test_an_erasure_that_is_refused_or_stopped_drops_nothing(
    encrypted: Encrypted,
) -> None:
    """
    Whatever argument is wrong; and where it is to stop before it begins.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    wrong: list[dict[str, object]] = [
        {"artifact_store": 1},
        {"progress": 1},
        {"should_stop": 1},
        {"grace_period": 1},
        {"session_ids": [1]},
        {"tenant_id": 1},
        {"with_children": 1},
    ]
    for arguments in wrong:
        with pytest.raises(ValidationError):
            await ports.maintenance.erase(**{"user_id": "ann", **arguments})  # type: ignore[arg-type] # wrong on purpose
    report = await ports.maintenance.erase(user_id="ann", should_stop=lambda: True)
    assert not report.is_complete
    assert (await ports.store.get_session("ses_1")).metadata == {"text": SAID}


async def test_a_key_for_each_user_covers_all_sessions_of_hers(
    encrypted: Encrypted,
) -> None:
    """
    To erase her drops that one key; sessions of others and of nobody are not touched.
    """
    ports = encrypted.ports(per_user=True)
    await tell_secrets(ports)
    await tell_secrets(ports, "ses_2")
    await ports.store.save_session(make_session(id="bob", user_id="bob"))
    await ports.store.save_session(make_session(id="nobody"))
    ann = KeyOwner.user("ann", tenant_id="acme")
    stored = await encrypted.raw.store.get_events("ses_2")
    assert all(ann.name in event.data["asm.encrypted"] for event in stored)

    await key_ring(encrypted.key_store, per_user=True).drop(ann)

    assert (await ports.store.get_session("ses_1")).metadata == ERASED
    with pytest.raises(KeyDroppedError, match="user 'ann'"):
        await ports.store.append_event(make_event(id="new", session_id="ses_2"))
    with pytest.raises(KeyDroppedError, match="user 'ann'"):
        await ports.store.save_session(
            make_session(id="new", user_id="ann", tenant_id="acme")
        )
    assert (await ports.store.get_session("bob")).metadata == {}
    assert (await ports.store.get_session("nobody")).metadata == {}
    report = await ports.maintenance.erase(user_id="ann")
    assert (report.session_count, report.is_complete) == (2, True)


async def test_an_archive_is_given_what_can_be_read(encrypted: Encrypted) -> None:
    """
    Retention archives first; the keys of what it removes are dropped later.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    now = datetime.now(UTC)
    await ports.maintenance.soft_delete_session("ses_1")
    archived = list[SessionExport]()

    async def archive(export: SessionExport) -> None:
        archived.append(export)

    policy = RetentionPolicy.new(hard_delete_after_days=1, archive=archive)
    late = SQLMaintenance(encrypted.raw.engine, clock=lambda: now + timedelta(days=2))
    assert isinstance(ports.store, EncryptingSessionStore)
    maintenance = EncryptingMaintenance(late, ports.store.coder)
    assert await maintenance.hard_delete_expired_sessions(policy) == 1
    assert archived[0].events[0].metadata == {"text": SAID}


def files_with(text: bytes, directory: Path) -> list[str]:
    """
    List the files in which some bytes stand.
    """
    files = [path for path in directory.rglob("*") if path.is_file()]
    assert files
    return [path.name for path in files if text in path.read_bytes()]


async def test_no_byte_of_what_was_said_is_ever_in_the_files(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    """
    Neither in database nor log, before and after; nor in an export of what is erased.
    """
    engine = create_engine(migrated_sqlite_url)
    async with SQLPorts(engine) as raw:
        encrypted = Encrypted(raw)
        ports = encrypted.ports()
        await tell_secrets(ports)
        words = [SAID.encode(), b"555-0100", SAID.encode().hex().encode()]
        for word in words:
            assert files_with(word, tmp_path) == []
        assert any("wal" in name for name in files_with(b"asm.encrypted", tmp_path))
        copy = (tmp_path / "asm.sqlite3").read_bytes()
        await key_ring(encrypted.key_store).drop(KeyOwner.session("ses_1"))
        path = tmp_path / "export.jsonl"
        with path.open("wb") as file:

            async def write(data: bytes) -> None:
                file.write(data)

            await ports.query.export_sessions(write)
        for word in words:
            assert files_with(word, tmp_path) == []
    await engine.dispose()
    # A backup that is restored shows what the database shows.
    (tmp_path / "restored.sqlite3").write_bytes(copy)


async def _raw_export(ports: Ports) -> bytes:
    lines = list[bytes]()

    async def write(data: bytes) -> None:
        lines.append(data)

    await ports.query.export_sessions(write)
    return b"".join(lines)


async def _read(data: bytes) -> AsyncGenerator[bytes]:
    yield data


async def test_exports_are_plain_through_the_ports_and_encrypted_below_them(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    """
    What is exported below is imported below, and is read with the same keys alone.
    """
    ports = encrypted.ports()
    await tell_secrets(ports)
    plain, sealed = await _raw_export(ports), await _raw_export(encrypted.raw)
    assert SAID.encode() in plain
    assert SAID.encode() not in sealed
    url = f"sqlite+aiosqlite:///{tmp_path}/copy.sqlite3"
    engine = create_engine(url)
    await migrations.upgrade(engine)
    async with SQLPorts(engine) as raw:
        await raw.query.import_sessions(_read(sealed))
        copied = encrypted_ports(raw, keys=key_ring(encrypted.key_store))
        assert await _raw_export(copied) == plain
    await engine.dispose()
    # Importing again what is there changes nothing, in both ways.
    report = await ports.query.import_sessions(_read(plain))
    assert report.sessions_imported == 0
