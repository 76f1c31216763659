"""
Values of any size, stored and read again.
"""

from __future__ import annotations

import attrs

from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.export_lines import encode_record
from tests.property.wrong_calls import Ports

__all__ = ["check_size"]

_PIECES = ("x", "\0", "\ud800", "\u00e9", '"', "\\")


async def check_size(ports: Ports, size: int) -> None:
    """
    Store values with a text of *size* bytes, as they are kept, in all places for JSON.

    They come back as they were, and nothing waits in their place afterwards.
    """
    id_ = f"ses_of_{size}"
    text = _text(size)
    session = make_session(id=id_, context={"text": text})
    run = make_run(id=f"run_of_{size}", session_id=id_, output=text)
    event = make_event(session_id=id_, data={"text": text, text[:1_000]: size})
    await ports.store.save_session(session)
    assert (await ports.store.get_session(id_)).has_same_content(session)
    await ports.store.save_run(run)
    assert (await ports.store.get_run(run.id)).has_same_content(run)
    stored = await ports.store.append_event_with_sequence(event)
    assert stored == attrs.evolve(event, sequence_number=1)
    assert await ports.store.get_events(id_) == [stored]
    longest = 0

    async def write(data: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(data))

    await ports.query_api.export_sessions(write, parent_session_id=None)
    assert longest >= len(encode_record(stored))
    await ports.store.delete_session(id_)


def _text(size: int) -> str:
    """
    Make a text that is kept as about so many bytes, most of them escapes.
    """
    pieces = "".join(_PIECES)
    kept = len(encode_record(make_event(data={"": pieces}))) - len(
        encode_record(make_event(data={"": ""}))
    )
    return pieces * (size // kept)
