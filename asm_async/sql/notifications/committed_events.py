"""
Events that this process has committed, as followers are handed them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from asm_async.values.event import Event
from asm_async.values.json_values import EncodedJSON, decode_json

CommittedEvent: TypeAlias = tuple[Event, tuple[str, str]]
"""
An event that this process has committed, with its *data* and *metadata* as stored text.
"""


def stored_event(committed: CommittedEvent) -> Event:
    """
    Make the event that reading the database would find.

    Its JSON is decoded each time: the objects of the event that was appended are the
    caller's, who may have changed them since, and so may each follower change its own.
    """
    event, (data, metadata) = committed
    return event.with_json(decode_json(data), decode_json(metadata))


def undecoded_event(committed: CommittedEvent) -> Event:
    """
    Make the same for those who pass it on, and do not look into its JSON.
    """
    event, texts = committed
    given: Any = map(EncodedJSON, texts)
    return event.with_json(*given)


def size_of(committed: CommittedEvent) -> int:
    """
    Return how many bytes of JSON it has.
    """
    _, (data, metadata) = committed
    return len(data) + len(metadata)
