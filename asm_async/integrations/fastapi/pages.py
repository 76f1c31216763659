"""
Pages of what is found: bounded in bytes as well as in number.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

import attrs
from starlette.requests import Request
from starlette.responses import Response

from asm_async.fronts.loop_share import in_pieces
from asm_async.integrations.fastapi.responses import (
    encode_value,
    json_text_response,
    link_to_next,
)
from asm_async.integrations.fastapi.tenant_view import TenantView
from asm_async.values.json_values import encode_json
from asm_async.values.page import Page
from asm_async.values.session import Session
from asm_async.values.session_export import SessionMember
from asm_async.values.text_match import TextMatch

Found: TypeAlias = Sequence[Session | SessionMember | TextMatch]

_FIRST_ITEMS = 8
_MAX_ITEMS = 64
_PART_BYTES = 1 << 20


@attrs.define
class PartSize:
    """
    How many items to read at once.

    How large they are is not known before some are read: few at first, since each may
    be as large as a body may be, and more where they turn out to be small.
    """

    _items: int = _FIRST_ITEMS // 2
    _bytes_per_item: int = 1

    def next(self, max_bytes: int = _PART_BYTES) -> int:
        """
        Return how many to read next, of which *max_bytes* are wanted at most.
        """
        fitting = max_bytes // self._bytes_per_item + 1
        self._items = min(2 * self._items, _MAX_ITEMS, fitting)
        return self._items

    def adapt(self, texts: Sequence[str]) -> None:
        """
        Take note of how large those are that were read last.
        """
        if texts:
            self._bytes_per_item = sum(map(len, texts)) // len(texts) or 1


async def encode_values(values: Found) -> list[str]:
    """
    Encode what was read, without keeping others from the event loop.
    """
    return await in_pieces(encode_value, values)


@attrs.define
class EncodedPage:
    """
    A page that is read part by part, until it is full or has so many bytes.
    """

    limit: int
    max_bytes: int
    texts: list[str] = attrs.field(init=False, factory=list[str])
    _size: int = attrs.field(init=False, default=0)
    _part: PartSize = attrs.field(init=False, factory=PartSize)

    @property
    def has_room(self) -> bool:
        """
        Whether the page is to go on, if there is more.
        """
        return len(self.texts) < self.limit and self._size < self.max_bytes

    def next_part(self) -> int:
        """
        Return how many items to read next.
        """
        part = self._part.next(self.max_bytes - self._size)
        return min(part, self.limit - len(self.texts))

    async def add(self, found: Found) -> None:
        """
        Encode what was read.
        """
        texts = await encode_values(found)
        self._part.adapt(texts)
        self.texts += texts
        self._size += sum(map(len, texts))

    @property
    def items(self) -> str:
        """
        The items as a JSON array.
        """
        return f"[{','.join(self.texts)}]"


async def page_response(
    request: Request,
    search: Callable[..., Awaitable[Page[Any]]],
    max_bytes: int,
    *,
    limit: int,
    cursor: str | None = None,
    **query: Any,
) -> Response:
    """
    Answer with a page of what is searched for, and with where the next one is.

    It ends before its *limit* once it has about *max_bytes*; it has one item at least.
    """
    page = EncodedPage(limit, max_bytes)
    found = await search(limit=page.next_part(), cursor=cursor, **query)
    total_count = found.total_count
    await page.add(found.items)
    query.pop("count_total", None)
    while found.cursor is not None and page.has_room:
        found = await search(limit=page.next_part(), cursor=found.cursor, **query)
        await page.add(found.items)
    text = (
        f'{{"items":{page.items},"cursor":{encode_json(found.cursor)},'
        f'"total_count":{encode_json(total_count)}}}'
    )
    next_page = found.cursor
    headers = {} if next_page is None else link_to_next(request, cursor=next_page)
    return json_text_response(text, headers=headers)


async def session_texts(view: TenantView, session_id: str) -> AsyncGenerator[str]:
    """
    Yield a session with all that belongs to it as the JSON of a ``SessionExport``.

    What is appended meanwhile is left out. Events may be pruned meanwhile, and count as
    pruned then; a session that is removed meanwhile breaks it off.
    """
    session = await view.get_session(session_id)
    _, latest = await view.get_events(session_id, limit=0)
    yield f'{{"session":{encode_value(session)},"runs":['
    separator, cursor, part = "", None, PartSize()
    while True:
        runs = await view.search_runs(
            session_id=session_id,
            order_by="started_at_asc",
            limit=part.next(),
            cursor=cursor,
        )
        texts = await encode_values(runs.items)
        part.adapt(texts)
        for text in texts:
            yield separator + text
            separator = ","
        if (cursor := runs.cursor) is None:
            break
    artifacts = await view.list_artifacts(session_id)
    yield f'],"artifacts":[{",".join(await encode_values(artifacts))}'
    yield '],"items":['
    async with aclosing(_item_texts(view, session_id)) as item_texts:
        async for text in item_texts:
            yield text
    yield '],"events":['
    separator, count, place, part = "", 0, 0, PartSize()
    while place < latest:
        events, _ = await view.get_events(
            session_id, after=place, before=latest + 1, limit=part.next()
        )
        if not events:
            break
        count, place = count + len(events), events[-1].sequence_number
        texts = await encode_values(events)
        part.adapt(texts)
        for text in texts:
            yield separator + text
            separator = ","
    # It must still be there, or the events that were not found were not pruned.
    await view.get_session(session_id)
    pruned = latest - count
    yield f'],"latest_sequence":{latest},"pruned_count":{pruned}}}'


async def _item_texts(view: TenantView, session_id: str) -> AsyncGenerator[str]:
    """
    Yield a session's state items as a ``SessionExport`` has them, and what parts them.
    """
    place: tuple[str, str] | None = None
    separator = ""
    # Each may hold 64 MiB: they are read one by one.
    while found := await view.items.list_all(session_id, after=place, limit=1):
        (item,) = found
        yield separator + encode_value(item.with_given(0))
        separator, place = ",", (item.scope, item.key)
