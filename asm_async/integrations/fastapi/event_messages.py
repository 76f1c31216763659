"""
Events as the messages of a stream of server-sent events.
"""

from __future__ import annotations

from json.encoder import encode_basestring_ascii

from asm_async.values.event import Event
from asm_async.values.json_values import encode_json

__all__ = ["event_message"]


def event_message(event: Event, id_: str) -> bytes:
    """
    Return the message whose data is the event as JSON.

    It is put together piece by piece, since ``to_dict()`` would first make sure that
    what is stored is JSON, and to encode its dictionary takes half as long again.

    Args:
        event: As stored.

        id_: The message's, which a client sends when it reconnects.
    """
    time = event.timestamp.isoformat(timespec="microseconds")
    return (
        f'id: {id_}\ndata: {{"id":{_text(event.id)},"type":{_text(event.type)}'
        f',"timestamp":"{time}","session_id":{_text(event.session_id)}'
        f',"run_id":{_text(event.run_id)},"sequence_number":{event.sequence_number}'
        f',"data":{encode_json(event.data)},"metadata":{encode_json(event.metadata)}'
        f',"schema_version":{event.schema_version}'
        f',"provider":{_text(event.provider)}'
        f',"correlation_id":{_text(event.correlation_id)}}}\n\n'
    ).encode("ascii")


def _text(value: str | None) -> str:
    return "null" if value is None else encode_basestring_ascii(value)
