from __future__ import annotations

from hypothesis import given

from asm_async.integrations.fastapi.stream_routes import event_message
from asm_async.testing import strategies as asm
from asm_async.values.event import Event
from asm_async.values.json_values import encode_json


@given(event=asm.events(sequence_number=asm.counts()))
def test_a_message_carries_the_event_as_its_own_dictionary_has_it(event: Event) -> None:
    """
    In two lines and an empty one, whatever its texts have in them.
    """
    text = encode_json(event.to_dict())
    assert event_message(event, "7") == f"id: 7\ndata: {text}\n\n".encode()
