"""
What was read a moment ago, for the write or the read of a history that follows.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from asm_async.integrations.pydantic_ai.places import Place
from asm_async.integrations.pydantic_ai.records import (
    StoredConversation,
    conversation_of,
)
from asm_async.values.session import Session

T = TypeVar("T")

MAX_RECENT = 256
"""
How many conversations a store remembers.
"""


class RecentReads:
    """
    The conversations that were read last.

    The framework reads a record before it reads the history or writes. Neither is
    decided by what stands here: an entry's place never changes, so that it is there or
    the entry is nowhere, and a commit expects the session to be as it was.
    """

    def __init__(self) -> None:
        self._sessions = OrderedDict[str, Session]()
        self._heads = OrderedDict[str, Place]()

    def add(self, stored: StoredConversation) -> None:
        """
        Remember a conversation as it was read.
        """
        record = stored.record
        _keep(self._sessions, record.conversation_id, stored.session)
        if stored.head is not None and record.head_id is not None:
            _keep(self._heads, record.head_id, stored.head)

    def place_of(self, head_id: str) -> Place | None:
        """
        Return where the head of a conversation lies; None if it was not read lately.
        """
        return self._heads.get(head_id)

    def take(self, conversation_id: str) -> StoredConversation | None:
        """
        Forget a conversation that is to be written, and return it as it was read.
        """
        session = self._sessions.pop(conversation_id, None)
        # What was handed out is the caller's, and may have been changed.
        return None if session is None else conversation_of(session)


def _keep(kept: OrderedDict[str, T], key: str, value: T) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > MAX_RECENT:
        kept.popitem(last=False)
