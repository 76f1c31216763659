"""
Records from files of lines, which may be followed while they are written.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, Callable, Iterable
from time import perf_counter
from typing import BinaryIO, Protocol

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.loop_share import LoopShare
from asm_async.importers.files import FileState, SourceFile, files_of
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line, LineSplitter
from asm_async.importers.records import (
    CaughtUp,
    Incoming,
    NotUnderstoodError,
    Place,
    Record,
)
from asm_async.importers.summary import ProblemCode

_PIECE_BYTES = 1 << 18
_MAX_OPEN_FILES = 256


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


async def records_of_lines(
    context: ImportContext,
    accepts: Callable[[str], bool],
    parser_of: Callable[[SourceFile], LineParser],
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
    share = LoopShare()
    tails: dict[SourceFile, _Tail] = {}
    unreadable: set[SourceFile] = set()
    is_first_look = True
    while True:
        for file in files_of(context.path, accepts):
            tail = tails.pop(file, None) or _Tail(context, file, parser_of)
            try:
                async for record in tail.records():
                    yield record
                    if perf_counter() >= share.ends_at:
                        await share.rest()
            except (OSError, EOFError, zlib.error) as error:
                if file not in unreadable:
                    unreadable.add(file)
                    place = Place(file.shown, 0)
                    context.tally.problem(place, ProblemCode.UNREADABLE, str(error))
            if context.follow:
                # The longest untouched goes; read again, it says what it has said.
                tails[file] = tail
                if len(tails) > _MAX_OPEN_FILES:
                    del tails[next(iter(tails))]
        if is_first_look and not context.follow:
            return
        is_first_look = False
        yield CaughtUp()
        await asyncio.sleep(context.poll_interval)


@attrs.define(eq=False)
class _Tail:
    """
    One file, and how far it was read.
    """

    context: ImportContext
    file: SourceFile
    parser_of: Callable[[SourceFile], LineParser]

    _state: FileState | None = None
    _offset: int = 0
    _splitter: LineSplitter = attrs.field(init=False)
    _parser: LineParser = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._offset = 0
        self._splitter = LineSplitter(self.file.shown, self.context.max_line_bytes)
        self._parser = self.parser_of(self.file)
        self.context.tally.add(source_count=1)

    async def records(self) -> AsyncGenerator[Record]:
        """
        Yield what the file has more than before.
        """
        opened = await asyncio.to_thread(self.file.opened)
        try:
            if self._goes_on(opened):
                async for record in self._read(opened):
                    yield record
        finally:
            if not self.file.is_standard_input:
                opened.close()

    def _goes_on(self, opened: BinaryIO) -> bool:
        """
        Go to where reading goes on, and return whether there is more to read.
        """
        if self.file.is_standard_input or not self.context.follow:
            return True
        state, earlier = FileState.of(opened), self._state
        self._state = state
        if earlier is not None and not state.has_grown_from(earlier, self._offset):
            self._begin()
        opened.seek(self._offset)
        return earlier is None or state.size > self._offset or self._offset == 0

    async def _read(self, opened: BinaryIO) -> AsyncGenerator[Record]:
        place = Place(self.file.shown, 0)
        while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
            self._offset += len(piece)
            self.context.tally.add(byte_count=len(piece))
            for line in self._splitter.take(piece):
                place = line.place
                for record in self._taken(line):
                    yield record
        if not self.context.follow:
            for line in self._splitter.end():
                place = line.place
                for record in self._taken(line):
                    yield record
        for record in self._parser.pause(place):
            yield record

    def _taken(self, line: Line) -> Iterable[Record]:
        tally = self.context.tally
        if line.is_too_long:
            reason = f"the line is longer than {self.context.max_line_bytes} bytes"
            tally.problem(line.place, ProblemCode.TOO_LONG, reason)
            return ()
        try:
            records = tuple(self._parser.take(line))
        except NotUnderstoodError as error:
            tally.problem(line.place, ProblemCode(error.code), str(error))
        except ValidationError as error:
            tally.problem(line.place, ProblemCode.NOT_UNDERSTOOD, str(error))
        else:
            tally.add(record_count=1)
            return records
        return ()
