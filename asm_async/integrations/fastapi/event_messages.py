"""
Events as the messages of a stream of server-sent events.
"""

from __future__ import annotations

import attrs

from asm_async.values.event import Event
from asm_async.values.json_values import encode_json

_NAMES = tuple(field.name for field in attrs.fields(Event))


def event_message(event: Event, id_: str) -> bytes:
    """
    Return the message whose data is the event as JSON.

    The fields are read off the event, since ``to_dict()`` would check once more that
    what is stored is JSON, which takes three times as long.

    Args:
        event: As stored.

        id_: The message's, which a client sends when it reconnects.
    """
    members = {name: getattr(event, name) for name in _NAMES}
    members["timestamp"] = event.timestamp.isoformat(timespec="microseconds")
    return f"id: {id_}\ndata: {encode_json(members)}\n\n".encode("ascii")
