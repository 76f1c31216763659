"""
The first rollouts of Codex: a JSON object each, not lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from asm_async.errors import ValidationError
from asm_async.importers.codex.rollout_parser import RolloutParser
from asm_async.importers.importer import ImportContext
from asm_async.importers.lines import Line, json_object
from asm_async.importers.members import list_at, object_at
from asm_async.importers.records import NotUnderstoodError, Place, Record
from asm_async.importers.summary import ProblemCode


class FirstRolloutParser:
    """
    Makes records of an object with a ``session`` and its ``items``, at its end.

    Args:
        context: What the import was asked for.

        shown: The file's path below what is imported.
    """

    def __init__(self, context: ImportContext, shown: str) -> None:
        self._context = context
        self._shown = shown
        self._parts: list[bytes] = []
        self._size = 0

    def take(self, line: Line) -> Iterable[Record]:
        """
        Take a line of the object, which says nothing by itself.
        """
        self._size += len(line.data)
        if self._size > self._context.max_line_bytes:
            self._parts.clear()
        else:
            self._parts.append(line.data)
        return ()

    def pause(self, place: Place, /) -> Iterable[Record]:
        """
        Return what the object says.
        """
        tally = self._context.tally
        if self._size > self._context.max_line_bytes:
            reason = f"it is longer than {self._context.max_line_bytes} bytes"
            tally.problem(place, ProblemCode.TOO_LONG, reason)
            return
        try:
            rollout = json_object(b"\n".join(self._parts))
        except NotUnderstoodError as error:
            tally.problem(place, ProblemCode(error.code), str(error))
            return
        parser = RolloutParser(self._context, self._shown)
        values = [object_at(rollout, "session"), *list_at(rollout, "items")]
        for number, value in enumerate(values, 1):
            data = json.dumps(value).encode()
            line = Line(Place(self._shown, number, len(data)), data)
            try:
                records = tuple(parser.take(line))
            except (NotUnderstoodError, ValidationError) as error:
                tally.problem(line.place, ProblemCode.NOT_UNDERSTOOD, str(error))
            else:
                yield from records
        yield from parser.pause(place)
