"""
What Strands' keys say, and which conversation they belong to.
"""

from __future__ import annotations

import re

import attrs
from strands.types.exceptions import StorageError

# The layout of ``SnapshotSessionManager`` and of the stash, which lies beside it under
# "context" where the snapshots lie under "session".
_OF_AGENT = re.compile(
    r"(?:(?P<root>.*)/)?(?P<session>[^/]+)/scopes/agent/(?P<agent>[^/]+)/(?P<rest>.+)",
    re.DOTALL,
)
_LATEST = "snapshots/snapshot_latest.json"
SESSIONS = "session"
_STASHES = "context"


@attrs.frozen
class Conversation:
    """
    One agent's part in a session of Strands, and where that lies in a storage.
    """

    root: str
    session_id: str
    agent_id: str


@attrs.frozen
class Place:
    """
    What a key names.
    """

    key: str

    conversation: Conversation | None
    """
    The conversation it belongs to; None if it belongs to none.
    """

    is_latest: bool
    """
    Whether it is the snapshot of a conversation as it stands.
    """


def place_of(key: str) -> Place:
    """
    Return what a normalised key names.
    """
    match = _OF_AGENT.fullmatch(key)
    if match is None:
        return Place(key, None, is_latest=False)
    parts = (match["root"] or "").split("/")
    if parts[-1] == _STASHES:
        parts[-1] = SESSIONS
    conversation = Conversation("/".join(parts), match["session"], match["agent"])
    return Place(key, conversation, is_latest=match["rest"] == _LATEST)


def normal_key(key: object) -> str:
    """
    Return a key as the storages of Strands write it: one ``/`` between its parts.

    Raises:
        StorageError: If it is no text, is empty, or has a backslash or a part ``..``.
    """
    normal = normal_prefix(key).rstrip("/")
    if not normal:
        raise StorageError(f"the key {key!r} is empty")
    return normal


def normal_prefix(prefix: object) -> str:
    """
    Return what keys may begin with, also nothing; a ``/`` at its end is kept.

    Raises:
        StorageError: As for :func:`normal_key`.
    """
    if not isinstance(prefix, str):
        raise StorageError(f"a key is text, not {type(prefix).__name__}")
    if "\\" in prefix:
        raise StorageError(f"the key {prefix!r} has a backslash")
    normal = re.sub("/+", "/", prefix).lstrip("/")
    if ".." in normal.split("/"):
        raise StorageError(f"the key {prefix!r} has a part '..'")
    return normal
