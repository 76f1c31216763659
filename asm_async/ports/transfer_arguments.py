"""
What every adapter checks before it exports or imports anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import TypeVar, cast

from asm_async.errors import ValidationError
from asm_async.ports.history_transfer import ExportWriter, ImportReader
from asm_async.values import fields
from asm_async.values.transfer_reports import ExportReport, ImportReport

__all__ = ["check_max_line_bytes", "check_progress", "check_reader", "check_writer"]

R = TypeVar("R", ExportReport, ImportReport)


def check_writer(writer: object) -> ExportWriter:
    """
    Accept what may be called; that it is async shows when it is.
    """
    if not callable(writer):
        raise fields.unexpected("writer", "an async callable", writer)
    return cast("ExportWriter", writer)


def check_reader(reader: object) -> ImportReader:
    """
    Accept an async iterable.
    """
    if not isinstance(reader, AsyncIterable):
        raise fields.unexpected("reader", "an async iterable of bytes", reader)
    return cast("ImportReader", reader)


def check_progress(
    progress: Callable[[R], object] | None,
) -> Callable[[R], object] | None:
    """
    Accept what may be called, or None.
    """
    if progress is not None and not callable(progress):
        raise fields.unexpected("progress", "a callable", progress)
    return progress


def check_max_line_bytes(value: object) -> int:
    """
    Accept a number from 1 on.
    """
    if not (number := fields.count(value, "max_line_bytes")):
        raise ValidationError("max_line_bytes: expected at least 1, got 0")
    return number
