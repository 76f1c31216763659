"""
Windows on a session's events.

An event is found by its number: any window costs the same, however many events there
are before and behind it.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from asm_async.console.access import Reader
from asm_async.console.cuts import pretty_json
from asm_async.console.entries import EntryMaker, data_text
from asm_async.console.entry_answers import Entry, WholeEvent, Window
from asm_async.console.runs import model_of
from asm_async.errors import NotFoundError, RunNotFoundError
from asm_async.fronts.loop_share import in_pieces
from asm_async.integrations.fastapi.pages import PartSize
from asm_async.integrations.fastapi.responses import encode_value
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.json_values import decode_json, decoded
from asm_async.values.retraction import RETRACTIONS, Ranges, hidden_ranges

MAX_WINDOW = 500
"""
How many events one window has at most.
"""

# A window of long events ends early.
_MAX_WINDOW_BYTES = 1 << 21


@attrs.frozen(kw_only=True)
class Bounds:
    """
    Which numbers a session's events have, and which of them are retracted.
    """

    first: int
    latest: int
    hidden: Ranges

    @property
    def retracted(self) -> list[list[int]]:
        """
        The retracted ranges as JSON.
        """
        return [list(each) for each in self.hidden]


async def bounds_of(reader: Reader, session_id: str) -> Bounds:
    """
    Return which events a session has.

    Raises:
        SessionNotFoundError: If there is none of this id, or it is not the tenant's.
    """
    oldest, latest = await reader.view.get_events(session_id, limit=1)
    hidden = await hidden_of(reader, session_id)
    # Others may have been appended meanwhile.
    first = oldest[0].sequence_number if oldest else latest + 1
    return Bounds(first=first, latest=max(latest, first - 1), hidden=hidden)


async def hidden_of(reader: Reader, session_id: str) -> Ranges:
    """
    Return the numbers of a session's retracted events.
    """
    found = await reader.ports.store.get_events(
        session_id,
        type=EVENTS_RETRACTED,
        correlation_id=RETRACTIONS,
        last=1,
        expected_tenant=reader.tenant_id,
    )
    return hidden_ranges(decoded(found[0].data)) if found else ()


async def window(reader: Reader, session_id: str, *, first: int, limit: int) -> Window:
    """
    Return the entries of so many events, from one number on.
    """
    bounds = await bounds_of(reader, session_id)
    events: list[Event] = []
    part, size, place = PartSize(), 0, first - 1
    while len(events) < limit and size < _MAX_WINDOW_BYTES:
        wanted = min(part.next(_MAX_WINDOW_BYTES), limit - len(events))
        found, _ = await reader.view.get_events(session_id, after=place, limit=wanted)
        if not found:
            break
        events += found
        place = found[-1].sequence_number
        texts = [data_text(event) for event in found]
        part.adapt(texts)
        size += sum(map(len, texts))
    return {
        "items": await entries_of(reader, events, bounds.hidden),
        "first_sequence": bounds.first,
        "latest_sequence": max(bounds.latest, place if events else 0),
        "retracted": bounds.retracted,
    }


async def entries_of(
    reader: Reader, events: Sequence[Event], hidden: Ranges
) -> list[Entry]:
    """
    Return the entries of events of one session.
    """
    maker = EntryMaker(
        hidden=hidden,
        prices=reader.price_lookup,
        models=await _models(reader, events),
    )
    return await in_pieces(maker.entry, events)


async def _models(
    reader: Reader, events: Sequence[Event]
) -> dict[str, tuple[str | None, str | None]]:
    """
    Return provider and model of the runs in which tokens were used, to price them.
    """
    if reader.price_lookup is None:
        return {}
    found: dict[str, tuple[str | None, str | None]] = {}
    used = {each.run_id for each in events if '_tokens"' in data_text(each)}
    for run_id in used - {None}:
        try:
            run = await reader.ports.store.get_run(
                str(run_id), expected_tenant=reader.tenant_id
            )
        except RunNotFoundError:
            continue
        found[run.id] = run.provider, model_of(run)
    return found


async def whole_event(reader: Reader, session_id: str, number: int) -> WholeEvent:
    """
    Return one event, with nothing cut.

    Raises:
        NotFoundError: If the session has no event of this number.
    """
    events, _ = await reader.view.get_events(
        session_id, after=number - 1, before=number + 1
    )
    if not events:
        raise NotFoundError(f"session {session_id!r} has no event {number}")
    (event,) = events
    hidden = await hidden_of(reader, session_id)
    models = await _models(reader, events)
    maker = EntryMaker(
        hidden=hidden, prices=reader.price_lookup, models=models, max_length=None
    )
    text = pretty_json(decode_json(encode_value(event)))
    return {"text": text, "entry": maker.entry(event)}
