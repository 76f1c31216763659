"""
The JSON documents of a source: files, those of a folder, and those in archives.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import BinaryIO, cast

import attrs

from asm_async.importers.compression import UNREADABLE_ERRORS, uncompressed_name
from asm_async.importers.files import SourceFile, files_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.json_values import JSONPlace, values_of
from asm_async.importers.records import CaughtUp, Place
from asm_async.importers.summary import ProblemCode

_ARCHIVE = ".zip"
_LINES = (".jsonl", ".ndjson")
_MAX_VALUES_AT_ONCE = 256
_BEGINNING_BYTES = 1 << 16
_MAX_SIZE_AT_ONCE = 1 << 18


@attrs.frozen
class Document:
    """
    A file of JSON, by itself or in an archive.
    """

    file: SourceFile
    member: str = ""
    """
    Its path in the archive that the file is.
    """

    modified: float = attrs.field(default=0.0, eq=False)
    """
    When it was written last, in seconds since 1970.
    """

    size: int = attrs.field(default=0, eq=False)

    @property
    def shown(self) -> str:
        """
        Its path as it is shown.
        """
        return f"{self.file.shown}/{self.member}" if self.member else self.file.shown

    @property
    def time(self) -> datetime:
        """
        When it was written last.
        """
        return datetime.fromtimestamp(self.modified, UTC)

    def values(self, max_chars: int) -> Generator[JSONPlace]:
        """
        Yield its values, as :func:`values_of` does.

        Raises:
            OSError: If it cannot be read; so do errors of archives and compression.
        """
        with ExitStack() as stack:
            opened = self._opened(stack)
            # Bytes that are no UTF-8 become lone surrogates, which a store can hold.
            text = io.TextIOWrapper(
                opened, encoding="utf-8-sig", errors="surrogateescape", newline=""
            )
            name = uncompressed_name(self.shown)
            yield from values_of(
                text, is_lines=name.endswith(_LINES), max_chars=max_chars
            )

    def _opened(self, stack: ExitStack) -> BinaryIO:
        if not self.member:
            return cast("BinaryIO", stack.enter_context(self.file.opened()))
        archive = stack.enter_context(zipfile.ZipFile(self.file.path))
        return cast("BinaryIO", stack.enter_context(archive.open(self.member)))


def documents_of(
    context: ImportContext, accepts: Callable[[str], bool]
) -> Generator[Document]:
    """
    Yield the accepted documents of a file, a folder, an archive or standard input.

    Args:
        context: What to import; what cannot be read is reported to it.

        accepts: Called with the path of a document in a folder or an archive.

    Raises:
        NotFoundError: If there is no such file or folder.
    """

    def is_read(path: str) -> bool:
        return path.endswith(_ARCHIVE) or accepts(path)

    for file in files_of(context.path, is_read):
        try:
            yield from _documents_in(file, accepts)
        except (OSError, zipfile.BadZipFile) as error:
            place = Place(file.shown, 0)
            context.tally.problem(place, ProblemCode.UNREADABLE, str(error))


def _documents_in(
    file: SourceFile, accepts: Callable[[str], bool]
) -> Iterator[Document]:
    if file.is_standard_input:
        yield Document(file, modified=datetime.now(UTC).timestamp())
        return
    status = file.path.stat()
    if file.path.suffix != _ARCHIVE:
        yield Document(file, modified=status.st_mtime, size=status.st_size)
        return
    with zipfile.ZipFile(file.path) as archive:
        members = sorted(archive.infolist(), key=lambda each: each.filename)
    for member in members:
        if not member.is_dir() and accepts(member.filename):
            yield Document(file, member.filename, status.st_mtime, member.file_size)


async def changing_documents(
    context: ImportContext, accepts: Callable[[str], bool]
) -> AsyncGenerator[Document | CaughtUp]:
    """
    Yield the documents, and, when the import follows, those that are written again.

    Args:
        context: What to import.

        accepts: As for :func:`documents_of`.

    Raises:
        NotFoundError: If there is no such file or folder.
    """
    seen: dict[Document, tuple[float, int]] = {}
    while True:
        for document in documents_of(context, accepts):
            state = document.modified, document.size
            if seen.get(document) != state:
                if context.follow:
                    seen[document] = state
                context.tally.add(source_count=1)
                yield document
        if not context.follow:
            return
        yield CaughtUp()
        await asyncio.sleep(context.poll_interval)


def values_in(context: ImportContext, document: Document) -> Generator[JSONPlace]:
    """
    Yield the values of a document; a file that cannot be read is reported, and ends.
    """
    try:
        yield from document.values(context.max_line_bytes)
    except (*UNREADABLE_ERRORS, zipfile.BadZipFile) as error:
        place = Place(document.shown, 0)
        context.tally.problem(place, ProblemCode.UNREADABLE, str(error))


def is_readable(context: ImportContext, document: Document, value: JSONPlace) -> bool:
    """
    Return whether a value is there, and report it if it is not.
    """
    if value.error is None:
        context.tally.add(byte_count=value.size)
        return True
    place, reason = Place(document.shown, value.number), f"{value.path}: {value.error}"
    context.tally.problem(place, ProblemCode.NOT_JSON, reason)
    return False


async def read_in_thread(values: Generator[JSONPlace]) -> AsyncGenerator[JSONPlace]:
    """
    Yield values that are read in a thread, some at a time.
    """
    reading: asyncio.Task[list[JSONPlace]] | None = None
    try:
        while True:
            reading = asyncio.create_task(asyncio.to_thread(_next_values, values))
            if not (some := await asyncio.shield(reading)):
                return
            for value in some:
                yield value
    finally:
        # Its thread goes on if the wait was cancelled, and while it runs the generator
        # cannot be closed.
        if reading is not None:
            await asyncio.wait({reading})
        values.close()


def _next_values(values: Iterator[JSONPlace]) -> list[JSONPlace]:
    some: list[JSONPlace] = []
    size = 0
    for value in values:
        some.append(value)
        size += value.size
        if len(some) >= _MAX_VALUES_AT_ONCE or size >= _MAX_SIZE_AT_ONCE:
            break
    return some


def beginning_of(path: str, beginning: bytes, accepts: Callable[[str], bool]) -> bytes:
    """
    Return the first bytes of a file, or of the first accepted document of an archive.

    Args:
        path: The file's path.

        beginning: Its first bytes.

        accepts: As for :func:`documents_of`.
    """
    if not path.endswith(_ARCHIVE):
        return beginning
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if accepts(name):
                    with archive.open(name) as member:
                        return member.read(_BEGINNING_BYTES)
    except (OSError, zipfile.BadZipFile):
        pass
    return b""
