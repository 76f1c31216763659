"""
Which lines of a session file continue which.
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from asm_async.importers.claude_code.entry import Entry

MAX_LINES_REMEMBERED = 50_000
"""
How many of a file's latest lines a later one may continue; some 15 MB.
"""


@attrs.define(eq=False)
class _Seen:
    """
    What is remembered of a line.
    """

    last_event_id: str
    message_id: str | None
    root: str
    """
    The first line of the sub-agent that it is of; empty in a session of a person.
    """

    is_continued: bool = False
    """
    Whether something said follows it, other than more of the same answer.
    """


class Branches:
    """
    Follows the parents of the lines of one file.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def root_of(self, entry: Entry) -> str:
        """
        Return the name of the first line of the sub-agent that wrote a line.
        """
        parent = self._parent_of(entry)
        return parent.root if parent is not None and parent.root else entry.name

    def has(self, uuid: str) -> bool:
        """
        Return whether a line was seen.
        """
        return uuid in self._seen

    def rewinds_to(self, entry: Entry) -> str | None:
        """
        Return the last event of the line that a prompt goes back to.

        Returns:
            None if it goes back to none: it follows what came last.
        """
        parent = self._parent_of(entry)
        if parent is None or not entry.is_prompt or entry.is_sidechain:
            return None
        return parent.last_event_id if parent.is_continued else None

    def add(self, entry: Entry, last_event_id: str, root: str) -> None:
        """
        Remember a line.
        """
        parent = self._parent_of(entry)
        is_more = entry.message_id is not None and (
            parent is not None and parent.message_id == entry.message_id
        )
        if parent is not None and not is_more:
            parent.is_continued |= entry.is_prompt or entry.type == "assistant"
        self._seen[entry.name] = _Seen(last_event_id, entry.message_id, root)
        if len(self._seen) > MAX_LINES_REMEMBERED:
            self._seen.popitem(last=False)

    def _parent_of(self, entry: Entry) -> _Seen | None:
        return self._seen.get(entry.text("parentUuid") or "")
