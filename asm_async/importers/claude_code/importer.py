"""
The importer of Claude Code's session files.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial

from asm_async.importers.claude_code.session_parser import SessionFileParser
from asm_async.importers.files import SourceFile
from asm_async.importers.importer import ImportContext
from asm_async.importers.line_reader import records_of_lines
from asm_async.importers.records import Incoming

_ENDING = ".jsonl"


class ClaudeCodeImporter:
    """
    Reads the lines that Claude Code writes below ``~/.claude/projects``.
    """

    def recognises(self, path: str, beginning: bytes) -> bool:
        """
        Return whether a file's first lines name a session as Claude Code does.
        """
        return path.endswith(_ENDING) and (
            b'"sessionId"' in beginning or b'"leafUuid"' in beginning
        )

    def records(self, context: ImportContext) -> AsyncGenerator[Incoming]:
        """
        Yield the records of one file, or of all files that end with ``.jsonl``.
        """
        parser_of = partial(_parser_of, context)
        return records_of_lines(context, lambda name: name.endswith(_ENDING), parser_of)


def _parser_of(context: ImportContext, file: SourceFile) -> SessionFileParser:
    return SessionFileParser(context, file.shown)
