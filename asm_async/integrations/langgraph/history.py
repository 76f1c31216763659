"""
What delta channels are made of: the writes of a checkpoint's ancestors.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import attrs
from langgraph.checkpoint.base import DeltaChannelHistory, PendingWrite
from langgraph.checkpoint.serde.base import SerializerProtocol

from asm_async.integrations.langgraph import forms, keys
from asm_async.integrations.langgraph.reading import Place, Reader
from asm_async.integrations.langgraph.records import Found, data_of, pending
from asm_async.values.state_item import StateItem

_FIRST_ITEMS = 32
_MAX_ITEMS = 512


@attrs.define
class ChannelHistory:
    """
    What of a channel stands in the ancestors of a checkpoint, as bytes.
    """

    writes: list[list[StateItem]] = attrs.field(factory=list[list[StateItem]])
    """
    The writes of each ancestor, the nearest first.
    """

    seed: Found | None = None
    """
    The nearest ancestor that has a value of it.
    """

    def read(self, serde: SerializerProtocol, channel: str) -> DeltaChannelHistory:
        """
        Return it as LangGraph knows it.
        """
        writes: list[PendingWrite] = []
        for items in reversed(self.writes):
            writes += pending(serde, items)
        history: dict[str, Any] = {"writes": writes}
        if self.seed is not None:
            form = self.seed.forms[channel]
            history["seed"] = forms.decode(serde, form, self.seed.parts)
        return cast("DeltaChannelHistory", history)


async def read_history(
    reader: Reader, place: Place, checkpoint_id: str | None, channels: Sequence[str]
) -> Mapping[str, ChannelHistory]:
    """
    Walk from a checkpoint, the latest unless one is named, to the values behind it.
    """
    found = {channel: ChannelHistory() for channel in channels}
    if not channels:
        return found
    if checkpoint_id is None:
        _, head = await reader.look(place)
        checkpoint_id = None if head is None else head.id
    if checkpoint_id is None:
        return found
    remaining = set(channels)
    async for ancestor in _ancestors(reader, place, checkpoint_id):
        if not remaining:
            break
        for channel in remaining:
            found[channel].writes.append(
                [i for i in ancestor.writes if data_of(i)["channel"] == channel]
            )
        seeded = remaining & ancestor.record.values.keys()
        if seeded:
            whole = await reader.complete_those_left(place, [ancestor])
            for channel in seeded:
                found[channel].seed = next(iter(whole), None)
            remaining -= seeded
    return found


async def _ancestors(
    reader: Reader, place: Place, checkpoint_id: str
) -> AsyncIterator[Found]:
    """
    Yield the checkpoints before one, the nearest first, without their values.

    Most stand directly before it, so that a page of them is read at a time.
    """
    page: dict[str, Found] = {}
    wanted: str | None = checkpoint_id
    is_first = True
    limit = _FIRST_ITEMS
    while wanted is not None:
        if wanted not in page:
            page = await _page_ending_at(reader, place, wanted, limit)
            # Who walks on walks far.
            limit = min(2 * limit, _MAX_ITEMS)
        current = page.get(wanted)
        if current is None:
            return
        if not is_first:
            yield current
        is_first = False
        wanted = current.record.parent


async def _page_ending_at(
    reader: Reader, place: Place, checkpoint_id: str, limit: int
) -> dict[str, Found]:
    prefix = keys.checkpoint(place.namespace, checkpoint_id)
    own = await reader.state.list_items(place.scope, prefix=prefix)
    earlier = await reader.state.list_items(
        place.scope,
        prefix=keys.checkpoints(place.namespace),
        before=prefix,
        descending=True,
        limit=limit,
    )
    # The earliest may have more writes than the page has room for: those come before
    # it, and only what has its checkpoint in the page is whole.
    found = reader.group(place, [*own, *reversed(earlier)])
    return {each.record.id: each for each in found}
