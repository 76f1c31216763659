"""
Copying the contents of artifacts from one store into another.

An export holds what is known of artifacts, and their checksums; the contents go beside
it, from store to store.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from asm_async.errors import (
    ArtifactDamagedError,
    ArtifactNotFoundError,
    ValidationError,
)
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.history_transfer import MAX_LINE_BYTES, ExportWriter, ImportReader
from asm_async.transfer.incoming_session import split_lines
from asm_async.values.artifact import Artifact
from asm_async.values.export_lines import decode_record


class ContentCopier:
    """
    Copies the contents of artifacts, each by its checksum.

    A content is verified as it is read, and is in *target* whole or not at all. A
    content that exists already is put again, which renews its age, so that it is not
    removed before its artifact is registered. Only a few pieces of a content are in
    memory at a time.

    Args:
        source: The store with the contents.

        target: Where they go.
    """

    def __init__(self, source: ArtifactStore, target: ArtifactStore) -> None:
        self._source = source
        self._target = target
        self.content_count: int = 0
        """
        How many contents were copied.
        """

        self.byte_count: int = 0
        """
        How many bytes they have together.
        """

    async def copy(self, artifacts: Iterable[Artifact]) -> None:
        """
        Copy the contents of *artifacts*, each once, soft-deleted ones too.

        Raises:
            ArtifactDamagedError: If a content is gone, or is not what was put; those
                before it are copied.
        """
        wanted = {artifact.checksum_sha256: artifact for artifact in artifacts}
        for checksum, artifact in wanted.items():
            try:
                async with aclosing(self._source.stream(checksum)) as pieces:
                    content = await self._target.put(pieces)
            except ArtifactNotFoundError as error:
                raise ArtifactDamagedError(
                    f"the content of artifact {artifact.id!r} is missing: the source"
                    f" has no content {checksum!r}"
                ) from error
            self.content_count += 1
            self.byte_count += content.byte_size

    def writer(self, writer: ExportWriter) -> ExportWriter:
        """
        Return a writer for ``export_sessions`` that copies before it writes.

        Each content that the lines name is copied first, so that an export that is
        whole has all its contents beside it.
        """

        async def write(data: bytes) -> None:
            # An export is made of whole lines, and an import would accept each of them.
            await self.copy(_artifacts_in(data.splitlines()))
            await writer(data)

        return write

    async def reader(
        self, reader: ImportReader, *, max_line_bytes: int = MAX_LINE_BYTES
    ) -> AsyncGenerator[bytes]:
        """
        Yield the lines of *reader*, for ``import_sessions``, and copy their contents.

        Each content is copied before the line that names it is yielded, so that no
        artifact is registered without its content. If the import is refused, what was
        copied for it stays until
        :func:`~asm_async.artifacts.remove_unnamed_contents` removes it.

        Args:
            reader: As for ``import_sessions``.

            max_line_bytes: The longest line to accept.
        """
        async with aclosing(split_lines(reader, max_line_bytes)) as lines:
            async for line in lines:
                await self.copy(_artifacts_in([line]))
                yield line + b"\n"


def _artifacts_in(lines: Iterable[bytes]) -> list[Artifact]:
    """
    Return the artifacts of an export's lines; what is wrong with one, others will say.
    """
    found: list[Artifact] = []
    for line in lines:
        # Whatever an artifact's line looks like, these letters are in it.
        if b'"artifact"' not in line:
            continue
        try:
            record = decode_record(line)
        except ValidationError:
            continue
        if isinstance(record, Artifact):
            found.append(record)
    return found
