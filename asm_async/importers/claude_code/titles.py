"""
What a session is called.
"""

from __future__ import annotations

from asm_async.importers.claude_code.branches import Branches
from asm_async.importers.claude_code.entry import Entry

_MAX_PROMPT_LENGTH = 80
_MAX_WAITING = 1_000


class Titles:
    """
    Finds the title of a session in its lines, the better one if there are several.

    One that a person gave is better than one that the program made, and this one is
    better than the first prompt.
    """

    def __init__(self) -> None:
        self._rank = 0
        # Summaries stand in front of the lines that they are of, and in other files.
        self._waiting: dict[str, str] = {}

    def title_of(self, entry: Entry, branches: Branches) -> str | None:
        """
        Return the title that a line gives to its session; None if it gives none.
        """
        if given := entry.text("customTitle"):
            return self._ranked(3, given)
        if made := entry.text("aiTitle") or self._summary_of(entry, branches):
            return self._ranked(2, made)
        if self._rank or not entry.is_prompt or entry.is_sidechain:
            return None
        words = entry.words.strip()
        # Commands and what the program puts in stand in tags.
        if not words or words.startswith("<"):
            return None
        return self._ranked(1, _shortened(words.splitlines()[0]))

    def _summary_of(self, entry: Entry, branches: Branches) -> str | None:
        leaf, summary = entry.text("leafUuid"), entry.text("summary")
        if leaf is None or summary is None:
            return self._waiting.pop(entry.name, None)
        if branches.has(leaf):
            return summary
        if len(self._waiting) < _MAX_WAITING:
            self._waiting[leaf] = summary
        return None

    def _ranked(self, rank: int, title: str) -> str | None:
        if rank < self._rank:
            return None
        self._rank = rank
        return title


def _shortened(line: str) -> str:
    if len(line) <= _MAX_PROMPT_LENGTH:
        return line
    return f"{line[: _MAX_PROMPT_LENGTH - 1].rstrip()}…"
