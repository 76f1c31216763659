"""
Where entries lie: the log of each conversation, and the index of all entries.

The entries that a conversation's writes add are numbered 1, 2, 3 and so on, and make
its *log*: state items of one scope, in the order of their keys. So a history is read as
a range of each log that it leads through, which is one unless it was forked. An index
finds the place of an entry by its id. The items go with the session of a conversation
whose history they are in, and are erased with that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import attrs

from asm_async.integrations.ids import safe_id
from asm_async.values.state_item import ItemName, StateItem

LogPosition: TypeAlias = tuple[str, int]
"""
A log, named by the session whose conversation has written it, and a number in it.
"""

LOG_KEY = "log"
"""
The key, beside a log's entries, of the item that tells of the log itself. It is there
from the log's beginning until its end, and changes whenever a session becomes a reader
of the log, or ends being one.
"""

READER_PREFIX = "reader"
"""
What the keys of a log's readers begin with, beside its entries: the other sessions
whose histories lead into it.
"""

ENTRY_PREFIX = "entry/"
"""
What the keys of a log's entries begin with.
"""

DELETIONS = "pydantic-ai.deletions"
"""
The scope of the sessions whose conversations are deleted, until they are gone.
"""

# Each call locks every scope that it writes to; they are so many that writers seldom
# meet, and no more than one call may have.
_SHARDS = 512

# The time in a UUID of version 7: entries made together lie together.
_TIME_LENGTH = 13


@attrs.frozen
class Place:
    """
    Where an entry lies, and where the history before it goes on in other logs.
    """

    log_id: str
    """
    The session whose conversation has written the entry.
    """

    position: int
    """
    The entry's number in that log, from 1.
    """

    origins: tuple[LogPosition, ...] = ()
    """
    The last entries of the history in the logs before that one, nearest first.
    """

    @property
    def line(self) -> tuple[LogPosition, ...]:
        """
        The last entry of the history in each log that it leads through.
        """
        return (self.log_id, self.position), *self.origins

    def to_json(self) -> list[list[str | int]]:
        """
        Return the place as JSON.
        """
        return [list(each) for each in self.line]

    @classmethod
    def from_json(cls, data: Any) -> Place:
        """
        Return the place that :meth:`to_json` was called on.
        """
        (log_id, position), *origins = data
        return cls(log_id, position, tuple((log, number) for log, number in origins))

    def next_in(self, log_id: str, position: int) -> Place:
        """
        Return the place *position* of a log, for an entry that follows this one.
        """
        origins = self.origins if self.log_id == log_id else self.line
        return Place(log_id, position, origins)


@attrs.frozen
class LoggedEntry:
    """
    An entry as it lies in a log.
    """

    place: Place
    """
    Where.
    """

    parent: int | None
    """
    The entry before it in the same log; None for the first one of its history there.
    """

    data: Mapping[str, Any]
    """
    The entry as JSON.
    """

    home_id: str | None
    """
    The session that it goes with; None if with none.
    """

    @classmethod
    def from_item(cls, item: StateItem) -> LoggedEntry:
        """
        Return the entry that an item of a log holds.
        """
        data = cast("dict[str, Any]", item.data)
        place = Place.from_json(data["place"])
        return cls(place, data["parent"], data["entry"], item.session_id)

    @property
    def names(self) -> tuple[ItemName, ItemName]:
        """
        The names of the items that hold the entry and its place.
        """
        return entry_name(*self.place.line[0]), index_name(self.data["id"])

    def items(self) -> tuple[StateItem, StateItem]:
        """
        Return the items that hold the entry and its place.
        """
        (log, key), (index, index_key) = self.names
        place = self.place.to_json()
        data = {"entry": self.data, "parent": self.parent, "place": place}
        return (
            _item(log, key, data, self.home_id),
            _item(index, index_key, place, self.home_id),
        )


@attrs.frozen(kw_only=True)
class EntryLog:
    """
    The log of a conversation.
    """

    log_id: str
    """
    The session whose conversation has written it.
    """

    has_writer: bool = True
    """
    Whether that conversation is there.
    """

    is_closed: bool = False
    """
    Whether the log is about to go, so that nobody may become a reader.
    """

    home_id: str | None = None
    """
    The session that the item goes with; None if with none.
    """

    revision: int = 0
    """
    The revision of the item.
    """

    @classmethod
    def from_item(cls, log_id: str, item: StateItem) -> EntryLog:
        """
        Return the log that an item tells of.
        """
        data = cast("dict[str, bool]", item.data)
        return cls(
            log_id=log_id,
            has_writer=data["has_writer"],
            is_closed=data["is_closed"],
            home_id=item.session_id,
            revision=item.revision,
        )

    @property
    def name(self) -> ItemName:
        """
        The name of the item.
        """
        return log_scope(self.log_id), LOG_KEY

    def item(self) -> StateItem:
        """
        Return the item that tells of it.
        """
        data = {"has_writer": self.has_writer, "is_closed": self.is_closed}
        return _item(*self.name, data, self.home_id)


@attrs.frozen
class Reader:
    """
    A session whose histories lead into the log of another one.
    """

    session_id: str
    """
    The session.
    """

    positions: tuple[int, ...]
    """
    The last entries of its histories in the log.
    """

    @classmethod
    def from_item(cls, item: StateItem) -> Reader:
        """
        Return the reader that an item tells of.
        """
        data = cast("dict[str, Any]", item.data)
        return cls(data["session_id"], tuple(data["positions"]))

    def name_in(self, log_id: str) -> ItemName:
        """
        Return the name of the item that tells of it.
        """
        return log_scope(log_id), safe_id(READER_PREFIX, self.session_id)

    def item_in(self, log_id: str) -> StateItem:
        """
        Return the item that tells of it, which goes with its session.
        """
        data = {"session_id": self.session_id, "positions": list(self.positions)}
        return _item(*self.name_in(log_id), data, self.session_id)


def log_scope(log_id: str) -> str:
    """
    Return the scope of a log.
    """
    return safe_id("pydantic-ai.entries", log_id)


def entry_name(log_id: str, position: int) -> ItemName:
    """
    Return the name of the item that holds an entry.
    """
    return log_scope(log_id), f"{ENTRY_PREFIX}{position:010d}"


def index_name(entry_id: str) -> ItemName:
    """
    Return the name of the item that says where an entry lies.
    """
    digest = hashlib.sha256(_bytes_of(entry_id[:_TIME_LENGTH])).digest()
    shard = int.from_bytes(digest[:2]) % _SHARDS
    return f"pydantic-ai.index/{shard:03}", safe_id("entry", entry_id)


def again_name(conversation_id: str) -> ItemName:
    """
    Return the name of the item that says which session a conversation has.

    Only one that came again after its deletion has such an item.
    """
    return safe_id("pydantic-ai.conversation", conversation_id), "session"


def deletion_item(session_id: str) -> StateItem:
    """
    Return the item that says that a session is to go.
    """
    data = {"session_id": session_id}
    return _item(DELETIONS, safe_id("session", session_id), data, session_id)


def again_item(conversation_id: str, session_id: str) -> StateItem:
    """
    Return the item that says which session a conversation has.
    """
    scope, key = again_name(conversation_id)
    return _item(scope, key, {"session_id": session_id}, session_id)


def _item(scope: str, key: str, data: Any, session_id: str | None) -> StateItem:
    return StateItem(scope=scope, key=key, data=data, session_id=session_id)


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
