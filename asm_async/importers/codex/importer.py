"""
The importer of Codex's rollouts.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from functools import partial

from asm_async.importers.codex.first_rollouts import FirstRolloutParser
from asm_async.importers.codex.rollout_parser import RolloutParser
from asm_async.importers.compression import uncompressed_name
from asm_async.importers.files import SourceFile
from asm_async.importers.importer import ImportContext
from asm_async.importers.line_reader import LineParser, records_of_lines
from asm_async.importers.records import Incoming

# The last ones of the first form were named by their id alone.
_NAME = re.compile(
    r"rollout-.*\.jsonl?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json"
)
_FIRST_FORM = re.compile(rb'\s*\{\s*"session"\s*:\s*\{\s*"timestamp"')


class CodexImporter:
    """
    Reads the rollouts that Codex writes below ``~/.codex/sessions``.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file is a rollout, by its name or by its first line.
        """
        first = beginning.partition(b"\n")[0]
        return (
            _is_rollout(path)
            or (b'"session_meta"' in first and b'"payload"' in first)
            or _FIRST_FORM.match(beginning) is not None
        )

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of one file, or of all rollouts below a folder.
        """
        return records_of_lines(context, _is_rollout, partial(_parser_of, context))


def _is_rollout(path: str) -> bool:
    return _NAME.fullmatch(uncompressed_name(path.rpartition("/")[2])) is not None


def _parser_of(context: ImportContext, file: SourceFile) -> LineParser:
    if uncompressed_name(file.shown).endswith(".json"):
        return FirstRolloutParser(context, file.shown)
    return RolloutParser(context, file.shown)
