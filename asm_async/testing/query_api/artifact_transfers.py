"""
Exporting and importing what is registered of artifacts, and copying their contents.
"""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest
import pytest_asyncio

from asm_async.artifacts import (
    ArtifactLibrary,
    ContentCopier,
    remove_unnamed_contents,
)
from asm_async.errors import (
    ArtifactDamagedError,
    ArtifactNotFoundError,
    HistoryConflictError,
    ValidationError,
)
from asm_async.memory import InMemoryArtifactStore
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.testing.capabilities import Capability, needs
from asm_async.testing.factories import NOON, make_artifact, make_session
from asm_async.testing.query_api.contract import QueryAPIContract
from asm_async.testing.query_api.transfer import (
    Elsewhere,
    export_of,
    exported,
    history,
    pieces,
    records_in,
    store_session,
)
from asm_async.values.artifact import Artifact
from asm_async.values.export_lines import encode_export
from asm_async.values.export_records import ExportedSessionEnd, ExportEnd
from asm_async.values.transfer_reports import ExportReport, ImportReport

__all__ = ["TestArtifactTransfers"]

_REPORT, _LOG = b"# Findings\n", b"a line\n" * 20_000


def _artifacts(count: int, *, size: int = 0) -> list[Artifact]:
    return [
        make_artifact(
            id=f"art_{number:03}",
            key=f"file {number:03}",
            metadata={"padding": "x" * size},
            created_at=NOON + timedelta(seconds=number),
        )
        for number in range(count)
    ]


async def _nothing(query_api: QueryAPI, registry: ArtifactRegistry) -> bool:
    found = await query_api.search_sessions(include_deleted=True)
    listed = await registry.list_by_session("ses_1", include_deleted=True)
    return not found.items and not listed


class TestArtifactTransfers(QueryAPIContract):
    """
    To archive a session and to remove it for good loses nothing.
    """

    @pytest_asyncio.fixture
    async def registry(self, backend: QueryAPIBackend) -> ArtifactRegistry:
        """
        Open the registry of the same database.
        """
        return await backend.open_artifact_registry()

    async def test_a_session_is_exported_with_its_artifacts(
        self, store: SessionStore, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        Soft-deleted ones too, in the order they were created, and nobody else's.
        """
        await store_session(store, "ses_1")
        await store_session(store, "ses_2")
        second, first = (
            make_artifact(id=name, key=name, created_at=NOON + timedelta(hours=hours))
            for name, hours in (("art_a", 1), ("art_b", 0))
        )
        for artifact in (second, first):
            await registry.register(artifact)
        other = make_artifact(id="art_c", key="art_c", session_id="ses_2")
        await registry.register(other)
        await registry.register(
            attrs.evolve(other, id="art_d", key="d", session_id=None)
        )
        second = await registry.soft_delete("art_a")
        reports: list[ExportReport] = []

        async def write(data: bytes) -> None:
            assert data

        export = await query_api.export_session("ses_1")
        report = await query_api.export_sessions(write, progress=reports.append)
        records = records_in(await exported(query_api))

        assert export.artifacts == (first, second)
        assert second.deleted_at is not None
        artifacts = [record for record in records if isinstance(record, Artifact)]
        assert artifacts == [first, second, other]
        ends = [each for each in records if isinstance(each, ExportedSessionEnd)]
        assert [end.artifact_count for end in ends] == [2, 1]
        assert isinstance(records[-1], ExportEnd)
        assert records[-1].artifact_count == report.artifact_count == 3
        assert reports[-1] == report

    async def test_artifacts_are_imported_as_they_were(
        self, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        They are found by id, key and session; once more, nothing is new.
        """
        gone = attrs.evolve(make_artifact(id="art_2", key="k"), deleted_at=NOON)
        artifacts = [make_artifact(metadata={"n": 1}), gone]
        export = export_of(history(artifacts=artifacts))

        report = await query_api.import_sessions(pieces(export))
        again = await query_api.import_sessions(pieces(export))

        assert (report.artifacts_imported, again.artifacts_imported) == (2, 0)
        assert again == ImportReport(line_count=report.line_count, sessions_unchanged=1)
        assert await registry.list_by_session("ses_1") == artifacts[:1]
        assert await registry.get_by_key("k") == gone
        assert await registry.get("art_1") == artifacts[0]
        assert await exported(query_api) == export
        await registry.soft_delete("art_1")
        with pytest.raises(HistoryConflictError, match="it has other artifacts here"):
            await query_api.import_sessions(pieces(export))

    @needs(Capability.UNIQUE_IDS)
    @pytest.mark.parametrize("count", [1, 12])
    async def test_an_artifact_of_another_is_refused(
        self,
        store: SessionStore,
        query_api: QueryAPI,
        registry: ArtifactRegistry,
        count: int,
    ) -> None:
        """
        By its key and by its id, of a session or of none, and nothing is half stored.

        Also if the session is so long that it would be stored in parts.
        """
        await store.save_session(make_session(id="ses_2"))
        theirs = make_artifact(id="art_x", key="taken", session_id="ses_2")
        nobodys = make_artifact(id="art_y", key="free", session_id=None)
        for artifact in (theirs, nobodys):
            await registry.register(artifact)
        *others, last = _artifacts(count, size=100_000)
        refused = [
            (
                attrs.evolve(last, key="taken"),
                f"the key 'taken' of artifact {last.id!r} belongs to artifact 'art_x'",
            ),
            (attrs.evolve(last, id="art_x"), "'art_x' belongs to session 'ses_2' here"),
            (attrs.evolve(last, id="art_y"), "'art_y' belongs to no session here"),
        ]
        for artifact, reason in refused:
            export = export_of(history(artifacts=[*others, artifact]))
            with pytest.raises(HistoryConflictError, match=reason):
                await query_api.import_sessions(pieces(export))
            listed = await registry.list_by_session("ses_1", include_deleted=True)
            assert listed == []
            assert len((await query_api.search_sessions()).items) == 1
        assert await registry.get("art_x") == theirs

    @pytest.mark.parametrize("count", [1, 24])
    async def test_what_stands_twice_is_refused(
        self, query_api: QueryAPI, registry: ArtifactRegistry, count: int
    ) -> None:
        """
        An id and a key are given once, in one part of a long session or in two.
        """
        artifacts = _artifacts(count, size=100_000)
        first, later = artifacts[0], NOON + timedelta(days=1)
        same_id = attrs.evolve(first, key="other", created_at=later)
        same_key = attrs.evolve(first, id="art_other", created_at=later)
        refused: list[tuple[Artifact, type[Exception], str]] = [
            (
                same_id,
                ValidationError,
                r"^line \d+: artifact.id: 'art_000' appears twi",
            ),
            (same_key, HistoryConflictError, "the key 'file 000' of artifact 'art_oth"),
        ]
        for artifact, kind, reason in refused:
            export = export_of(history(artifacts=[*artifacts, artifact]))
            with pytest.raises(kind, match=reason):
                await query_api.import_sessions(pieces(export))
            assert await _nothing(query_api, registry)

    async def test_a_long_import_is_closed_until_its_end(
        self, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        All its artifacts come, however many, and it is exported as it came.
        """
        artifacts = _artifacts(24, size=100_000)
        export = export_of(history(artifacts=artifacts))

        report = await query_api.import_sessions(pieces(export))

        assert report.artifacts_imported == 24
        assert await registry.list_by_session("ses_1") == artifacts
        assert await exported(query_api) == export

    async def test_artifacts_out_of_place_are_refused(
        self, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        They are the session's own, and stand in their order, before the events.
        """
        one, two = _artifacts(2)
        foreign, late = history(artifacts=[one]), history(artifacts=[one])
        foreign[2] = attrs.evolve(one, session_id=None)
        late[2:4] = late[3], late[2]
        refused = [
            (
                history(artifacts=[two, one]),
                "line 5: artifact.created_at: 'art_000' comes after 'art_001'",
            ),
            (foreign, "line 4: artifact.session_id: 'art_000' belongs to session None"),
            (late, "line 5: record: 'artifact' is out of place"),
        ]
        for records, complaint in refused:
            with pytest.raises(ValidationError, match=f"^{complaint}"):
                await query_api.import_sessions(pieces(export_of(records)))
            assert await _nothing(query_api, registry)

    async def test_archived_with_its_contents_a_session_can_be_removed(
        self, store: SessionStore, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        What was hard-deleted and swept comes back elsewhere from the archive, equal.
        """
        library = ArtifactLibrary(registry, InMemoryArtifactStore())
        await store_session(store, "ses_1")
        report = await library.save(_REPORT, session_id="ses_1", key="report")
        log = await library.save(pieces(_LOG, 1000), session_id="ses_1", key="log")
        again = await library.save(_REPORT, session_id="ses_1", key="report again")
        await registry.soft_delete(log.id)
        export, attic = await query_api.export_session("ses_1"), InMemoryArtifactStore()

        copier = ContentCopier(library.store, attic)
        await copier.copy(export.artifacts)
        lines = b"".join(encode_export([export]))
        await store.delete_session("ses_1")
        async for _ in remove_unnamed_contents(
            registry, library.store, grace_period=timedelta(0)
        ):
            pass

        assert copier.content_count == 2
        assert copier.byte_count == len(_REPORT) + len(_LOG)
        assert await library.store.list_checksums() == []
        with pytest.raises(ArtifactNotFoundError):
            await registry.get(report.id)
        elsewhere, contents = Elsewhere(), InMemoryArtifactStore()
        back = ContentCopier(attic, contents)
        await elsewhere.query_api.import_sessions(back.reader(pieces(lines, 100)))
        there = ArtifactLibrary(elsewhere.registry, contents)
        assert await elsewhere.query_api.export_session("ses_1") == export
        assert await there.read(report.id) == await there.read(again.id) == _REPORT
        assert await there.read(log.id) == _LOG

    async def test_an_import_brings_the_contents_along(
        self, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        An export that was written with its contents beside it is imported with them.
        """
        elsewhere, written = Elsewhere(), list[bytes]()
        there = ArtifactLibrary(elsewhere.registry, InMemoryArtifactStore())
        for name in ("ses_1", "ses_2"):
            await store_session(elsewhere.store, name)
            await there.save(name.encode(), session_id=name, key=f"{name} report")
        attic, contents = InMemoryArtifactStore(), InMemoryArtifactStore()

        async def write(data: bytes) -> None:
            written.append(data)

        out, back = ContentCopier(there.store, attic), ContentCopier(attic, contents)
        await elsewhere.query_api.export_sessions(out.writer(write))
        await query_api.import_sessions(back.reader(pieces(b"".join(written), 999)))

        here = ArtifactLibrary(registry, contents)
        assert out.content_count == back.content_count == 2
        for name in ("ses_1", "ses_2"):
            artifact = await registry.get_by_key(f"{name} report")
            assert await here.read(artifact.id) == name.encode()

    async def test_nothing_is_imported_without_its_content(
        self, query_api: QueryAPI, registry: ArtifactRegistry
    ) -> None:
        """
        The error names the artifact, and of its session nothing is stored.
        """
        export = export_of(history(artifacts=[make_artifact()]))
        empty = ContentCopier(InMemoryArtifactStore(), InMemoryArtifactStore())

        with pytest.raises(
            ArtifactDamagedError, match="of artifact 'art_1' is missing"
        ):
            await query_api.import_sessions(empty.reader(pieces(export)))
        assert await _nothing(query_api, registry)
