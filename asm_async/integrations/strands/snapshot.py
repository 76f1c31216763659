"""
The messages in a snapshot of Strands, as far as its bytes can be understood.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import attrs

_LONGEST_ID = 160
_VERSION = "1.0"


@attrs.frozen
class SaidMessage:
    """
    A message of a conversation, with what tells it from the others.
    """

    key: str
    """
    Its name in the conversation, which stays when its content is replaced.
    """

    digest: str
    """
    Which content it has.
    """

    members: Mapping[str, Any]
    """
    The message itself, its bytes in Base64 as they stand in the snapshot.
    """

    is_pending: bool
    """
    Whether a streaming agent has kept a place for it, which it will fill.
    """


@attrs.frozen
class Snapshot:
    """
    What a snapshot says of a conversation.
    """

    taken_at: datetime
    messages: tuple[SaidMessage, ...]


def snapshot_of(content: bytes) -> Snapshot | None:
    """
    Return what the bytes of a snapshot say; None if they are of no agent's.

    Nothing is refused: what cannot be understood is bytes like all others.
    """
    try:
        members = json.loads(content)
        is_agents = (members["scope"], members["schema_version"]) == ("agent", _VERSION)
        messages = members["data"]["messages"]
        taken_at = datetime.fromisoformat(members["created_at"])
        if not is_agents or not isinstance(messages, list):
            return None
        return Snapshot(_aware(taken_at), _said(cast("list[object]", messages)))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _said(messages: Iterable[Any]) -> tuple[SaidMessage, ...]:
    taken = Counter[str]()
    said: list[SaidMessage] = []
    for message in messages:
        # What an agent remembers beside a message is not what was said.
        content = json.dumps([message["role"], message["content"]])
        digest = hashlib.sha256(content.encode()).hexdigest()[:32]
        name = _name_of(message) or digest
        taken[name] += 1
        if taken[name] > 1:
            name = f"{name}~{taken[name]}"
        said.append(SaidMessage(name, digest, message, _is_pending(message)))
    return tuple(said)


def _name_of(message: Mapping[str, Any]) -> str | None:
    given = message.get("tracking_id")
    if not isinstance(given, str) or not given:
        return None
    if len(given) <= _LONGEST_ID and given.isascii() and given.isprintable():
        return given
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()


def _is_pending(message: Mapping[str, Any]) -> bool:
    match message:
        case {"metadata": {"custom": {"bidi": {"status": "pending"}}}}:
            return True
        case _:
            return False
