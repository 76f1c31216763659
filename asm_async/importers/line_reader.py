"""
Records from files of lines, which may be followed while they are written.
"""

from __future__ import annotations

import asyncio
from asyncio import to_thread
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextlib import aclosing
from io import BufferedIOBase
from time import perf_counter
from typing import Protocol

from asm_async.errors import ValidationError
from asm_async.importers.compression import UNREADABLE_ERRORS
from asm_async.importers.files import STANDARD_INPUT, SourceFile, files_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line
from asm_async.importers.records import (
    CaughtUp,
    Incoming,
    NotUnderstoodError,
    Place,
    Record,
)
from asm_async.importers.summary import ProblemCode
from asm_async.importers.tailing import FileTail, is_readable

_MAX_OPEN_FILES = 256
# How long to go on parsing before others on the event loop have a turn.
_MAX_SECONDS = 0.01

Accepts = Callable[[str], bool]
Stamp = tuple[int, int, int, int]


class LineParser(Protocol):
    """
    Makes records of the lines of one file, in order; one for each file.
    """

    def take(self, line: Line) -> Iterable[Record]:
        """
        Return what a line says.

        Raises:
            NotUnderstoodError: If it has a form that the parser does not know.

            ValidationError: If it holds what cannot be stored.
        """
        ...

    def pause(self, place: Place, /) -> Iterable[Record]:
        """
        Return what is left to say at the end of the file, as far as it goes now.

        A run is told of once, when the source has told all of it, or here: then a
        second import tells the same of it.

        Args:
            place: The last line.
        """
        ...


ParserOf = Callable[[SourceFile], LineParser]


async def records_of_lines(
    context: ImportContext, accepts: Accepts, parser_of: ParserOf
) -> AsyncGenerator[Incoming]:
    """
    Yield the records of a file, of all accepted files of a folder, or standard input.

    When it follows, it looks each ``poll_interval`` seconds for files that have grown
    and new ones. A file that was replaced, or cut, is read from its beginning. A last
    line without its end is waited for.

    Args:
        context: What to import.

        accepts: As for :func:`files_of`.

        parser_of: Makes the parser of a file.

    Raises:
        NotFoundError: If there is no such file or folder.
    """
    reader = _LineReader(context, parser_of)
    while True:
        for file in files_of(context.path, accepts):
            async with aclosing(reader.read(file)) as records:
                async for record in records:
                    yield record
        if not context.follow or context.path == STANDARD_INPUT:
            return
        yield CaughtUp()
        await asyncio.sleep(context.poll_interval)


class _LineReader:
    """
    Reads files, each from where it was read before.
    """

    def __init__(self, context: ImportContext, parser_of: ParserOf) -> None:
        self._context = context
        self._parser_of = parser_of
        self._turn_ends_at = perf_counter() + _MAX_SECONDS
        # Of all files; the tails, which hold parsers, are those of the latest alone.
        self._stamps: dict[str, Stamp] = {}
        self._tails: OrderedDict[str, tuple[FileTail, LineParser]] = OrderedDict()
        self._unreadable: set[str] = set()

    async def read(self, file: SourceFile) -> AsyncGenerator[Record]:
        """
        Yield what a file has more than before, or report that it cannot be read.
        """
        try:
            stamp = _stamp_of(file)
            if self._stamps.get(file.shown) == stamp:
                return
            async with aclosing(self._more_of(file)) as records:
                async for record in records:
                    yield record
                    if perf_counter() >= self._turn_ends_at:
                        await asyncio.sleep(0)
                        self._turn_ends_at = perf_counter() + _MAX_SECONDS
            if self._context.follow:
                self._stamps[file.shown] = stamp
        except UNREADABLE_ERRORS as error:
            if file.shown not in self._unreadable:
                self._unreadable.add(file.shown)
                place = Place(file.shown, 0)
                self._context.tally.problem(place, ProblemCode.UNREADABLE, str(error))

    async def _more_of(self, file: SourceFile) -> AsyncGenerator[Record]:
        kept = self._tails.pop(file.shown) if file.shown in self._tails else None
        tail, parser = kept or self._begun(file)
        place = Place(file.shown, 0)
        with await to_thread(file.opened) as opened:
            if self._can_grow(file) and not tail.goes_on(opened):
                # It was replaced, or cut: what it says again is stored already.
                tail, parser = self._begun(file)
                tail.goes_on(opened)
            async with aclosing(self._lines_of(file, opened, tail)) as lines:
                async for line in lines:
                    place = line.place
                    for record in self._taken(parser, line):
                        yield record
        if self._can_grow(file):
            self._keep(file, tail, parser)
        else:
            for line in tail.rest():
                place = line.place
                for record in self._taken(parser, line):
                    yield record
        for record in parser.pause(place):
            yield record

    async def _lines_of(
        self, file: SourceFile, opened: BufferedIOBase, tail: FileTail
    ) -> AsyncGenerator[Line]:
        while True:
            if file.is_standard_input and not await to_thread(is_readable, opened):
                continue
            piece = await to_thread(tail.next_piece, opened)
            if not piece:
                return
            self._context.tally.add(byte_count=len(piece))
            for line in tail.lines_of(piece):
                yield line
            self._context.tally.report()

    def _keep(self, file: SourceFile, tail: FileTail, parser: LineParser) -> None:
        self._tails[file.shown] = tail, parser
        if len(self._tails) > _MAX_OPEN_FILES:
            # Should it grow, it is read again, and says what it has said.
            self._tails.popitem(last=False)

    def _can_grow(self, file: SourceFile) -> bool:
        # What is compressed is written again, and read again.
        return (
            self._context.follow
            and not file.is_standard_input
            and not file.is_compressed
        )

    def _begun(self, file: SourceFile) -> tuple[FileTail, LineParser]:
        if file.shown not in self._stamps:
            self._context.tally.add(source_count=1)
        tail = FileTail(file.shown, self._context.max_line_bytes)
        return tail, self._parser_of(file)

    def _taken(self, parser: LineParser, line: Line) -> Generator[Record]:
        tally = self._context.tally
        if line.is_too_long:
            reason = f"the line is longer than {self._context.max_line_bytes} bytes"
            tally.problem(line.place, ProblemCode.TOO_LONG, reason)
            return
        try:
            # Whole lines alone are written: one that fails in its middle is left out.
            records = tuple(parser.take(line))
        except NotUnderstoodError as error:
            tally.problem(line.place, ProblemCode(error.code), str(error))
        except ValidationError as error:
            tally.problem(line.place, ProblemCode.NOT_UNDERSTOOD, str(error))
        else:
            tally.add(record_count=1)
            yield from records


def _stamp_of(file: SourceFile) -> Stamp:
    if file.is_standard_input:
        return (0, 0, 0, 0)
    status = file.path.stat()
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
