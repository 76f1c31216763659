"""
The records of an export as they come in, each with the number of its line.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import NoReturn

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.export_lines import decode_record
from asm_async.values.export_records import ExportRecord


class IncomingRecords:
    """
    Reads one record at a time, and names the line of one that is wrong.
    """

    def __init__(
        self, lines: AsyncGenerator[bytes], on_line: Callable[[int], object]
    ) -> None:
        self._lines = lines
        self._on_line = on_line
        self.line_number: int = 0

    async def next(self) -> ExportRecord:
        """
        Return the next record; refuse a line that holds none, and the lack of a line.
        """
        line = await self._next_line()
        if line is None:
            self.refuse("the export is cut off here: its end is missing")
        try:
            record = decode_record(line)
        except ValidationError as error:
            self.refuse(str(error))
        self._on_line(self.line_number)
        return record

    async def end(self) -> None:
        """
        Refuse a further line.
        """
        if await self._next_line() is not None:
            self.refuse("something follows the end of the export")

    def refuse(self, reason: str) -> NoReturn:
        """
        Raise ``ValidationError`` with the number of the line that was read last.
        """
        raise ValidationError(f"line {self.line_number}: {reason}")

    async def _next_line(self) -> bytes | None:
        self.line_number += 1
        try:
            return await anext(self._lines, None)
        except ValidationError as error:
            self.refuse(str(error))


async def split_lines(
    reader: AsyncIterable[bytes], max_line_bytes: int
) -> AsyncGenerator[bytes]:
    """
    Split what *reader* yields into lines, without their ends.

    Raises:
        ValidationError: If it yields something else than bytes, or a line has more than
            *max_line_bytes*.
    """
    pieces: list[bytes] = []
    size = 0
    async for piece in reader:
        first, *lines = _bytes(piece).split(b"\n")
        for following in [*lines, None]:
            pieces.append(first)
            size += len(first)
            if size > max_line_bytes:
                raise ValidationError(
                    f"the line has more than {max_line_bytes} bytes; if it is right,"
                    " give a greater max_line_bytes"
                )
            if following is None:
                break
            yield b"".join(pieces)
            pieces, size, first = [], 0, following
    if size:
        yield b"".join(pieces)


def _bytes(piece: object) -> bytes:
    if not isinstance(piece, bytes):
        raise fields.unexpected("reader", "bytes", piece)
    return piece
