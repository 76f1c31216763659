"""
What is archived with its contents and then removed for ever is not lost.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from asm_async import InMemoryPorts, Ports, RetentionPolicy, open_ports
from asm_async.artifacts import (
    ArtifactLibrary,
    ContentCopier,
    remove_unnamed_contents,
)
from asm_async.files import LocalArtifactStore
from asm_async.memory import InMemoryArtifactStore
from asm_async.testing.factories import make_session
from asm_async.testing.query_api.transfer import export_of, history, pieces
from asm_async.values.artifact import Artifact
from asm_async.values.export_lines import encode_export
from asm_async.values.session_export import SessionExport

LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)
CONTENTS = {"report": b"# Findings\n", "log": b"a line\n" * 300_000, "empty": b""}


async def fill(ports: Ports, library: ArtifactLibrary) -> SessionExport:
    """
    Store a session that was soft-deleted long ago, and artifacts with their contents.
    """
    artifacts = [
        Artifact.new(
            content=await library.store.put(content),
            key=key,
            created_at=LONG_AGO + timedelta(seconds=number),
        )
        for number, (key, content) in enumerate(CONTENTS.items())
    ]
    artifacts[1] = attrs.evolve(artifacts[1], deleted_at=LONG_AGO)
    session = make_session(revision=1, deleted_at=LONG_AGO)
    export = export_of(history(session, artifacts=artifacts))
    await ports.query.import_sessions(pieces(export))
    return await ports.query.export_session("ses_1")


async def test_archive_then_hard_delete_loses_nothing(
    ports: Ports, tmp_path: Path
) -> None:
    """
    By a retention policy, with the contents swept; back elsewhere, all is equal.
    """
    library = ArtifactLibrary(ports.artifacts, LocalArtifactStore(tmp_path / "here"))
    before = await fill(ports, library)
    attic, file = LocalArtifactStore(tmp_path / "attic"), tmp_path / "ses_1.jsonl"
    copier = ContentCopier(library.store, attic)

    async def archive(export: SessionExport) -> None:
        await copier.copy(export.artifacts)
        lines = b"".join(encode_export([export]))
        await asyncio.to_thread(file.write_bytes, lines)

    policy = RetentionPolicy(hard_delete_after_days=30, archive=archive)
    assert await ports.maintenance.hard_delete_expired_sessions(policy) == 1
    removed = [
        count
        async for count in remove_unnamed_contents(
            ports.artifacts, library.store, grace_period=timedelta(0)
        )
    ]

    assert sum(removed) == len(CONTENTS)
    assert (await ports.query.search_sessions(include_deleted=True)).items == ()
    async with AsyncExitStack() as stack:
        elsewhere = [
            await stack.enter_async_context(opening)
            for opening in (
                InMemoryPorts(),
                open_ports(f"sqlite:///{tmp_path / 'there.sqlite3'}", migrate=True),
            )
        ]
        for there in elsewhere:
            contents = InMemoryArtifactStore()
            reader = ContentCopier(attic, contents).reader(pieces(file.read_bytes()))
            await there.query.import_sessions(reader)
            assert await there.query.export_session("ses_1") == before
            back = ArtifactLibrary(there.artifacts, contents)
            for key, content in CONTENTS.items():
                artifact = await there.artifacts.get_by_key(key)
                assert await back.read(artifact.id) == content


async def test_what_cannot_be_archived_whole_stays(
    ports: Ports, tmp_path: Path
) -> None:
    """
    A content that is gone keeps its session, and the error names the artifact.
    """
    library = ArtifactLibrary(ports.artifacts, LocalArtifactStore(tmp_path / "here"))
    before = await fill(ports, library)
    lost = before.artifacts[1]
    await library.store.delete(lost.checksum_sha256)
    copier = ContentCopier(library.store, LocalArtifactStore(tmp_path / "attic"))

    async def archive(export: SessionExport) -> None:
        await copier.copy(export.artifacts)

    policy = RetentionPolicy(hard_delete_after_days=30, archive=archive)
    with pytest.RaisesGroup(
        pytest.RaisesExc(Exception, match=f"of artifact {lost.id!r} is missing")
    ):
        await ports.maintenance.hard_delete_expired_sessions(policy)
    assert await ports.query.export_session("ses_1") == before
