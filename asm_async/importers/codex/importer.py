"""
The importer of Codex's rollouts.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from asm_async.importers.codex.rollout_parser import RolloutParser
from asm_async.importers.files import SourceFile
from asm_async.importers.importer import ImportContext
from asm_async.importers.line_reader import records_of_lines
from asm_async.importers.records import Incoming


class CodexImporter:
    """
    Reads the rollouts that Codex writes below ``~/.codex/sessions``.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file is a rollout, by its name or by its first line.
        """
        first = beginning.partition(b"\n")[0]
        return _is_rollout(path) or (
            b'"session_meta"' in first and b'"payload"' in first
        )

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of one file, or of all rollouts below a folder.
        """
        return records_of_lines(context, _is_rollout, partial(_parser_of, context))


def _is_rollout(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("rollout-") and name.endswith(".jsonl")


def _parser_of(context: ImportContext, file: SourceFile) -> RolloutParser:
    return RolloutParser(context, file.shown)
