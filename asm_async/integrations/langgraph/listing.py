"""
How checkpoints are listed: page by page, so that nothing is held in between.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import attrs

from asm_async.integrations.langgraph import keys
from asm_async.integrations.langgraph.reading import Place, Reader
from asm_async.integrations.langgraph.records import Found, data_of
from asm_async.ports.query_api import QueryAPI
from asm_async.values.state_item import StateItem

AGENT_ID = "langgraph"
"""
The agent of the sessions that threads appear as.
"""

THREAD_ID = "thread_id"
"""
Under which name their metadata has the thread's own id.
"""

_CHECKPOINTS_PER_PAGE = 32
_SESSIONS_PER_PAGE = 200


@attrs.frozen(kw_only=True)
class Wanted:
    """
    Which checkpoints to list.
    """

    thread_id: str | None
    scope: str | None
    """
    The thread and its scope; None for all threads.
    """

    namespace: str | None = None
    checkpoint_id: str | None = None
    before: str | None = None
    metadata: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    limit: int | None = None


@attrs.frozen
class _Name:
    """
    A checkpoint that is listed, and the keys of its items.
    """

    id: str
    place: Place
    keys: Sequence[str]


@attrs.define(eq=False)
class Listing:
    """
    What is still to be listed, newest checkpoints first.

    The names are read at first, then page by page what stands under them: what is
    removed meanwhile is left out.
    """

    query: QueryAPI
    reader: Reader
    wanted: Wanted
    _names: list[_Name] | None = None
    _left: int | None = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.wanted.limit

    async def next_page(self) -> list[Found]:
        """
        Return the next checkpoints; none if there are no more.
        """
        if self._names is None:
            names = [name async for name in self._all_names()]
            # The last stands first: pages are taken from the end.
            names.sort(key=lambda name: name.id)
            self._names = names
        page: list[Found] = []
        while self._names and not page and (self._left is None or self._left > 0):
            page = await self._read([self._names.pop() for _ in self._sizes()])
        if self._left is not None:
            page = page[: self._left]
            self._left -= len(page)
        return page

    def _sizes(self) -> range:
        most = _CHECKPOINTS_PER_PAGE
        if self._left is not None and not self.wanted.metadata:
            most = min(most, self._left)
        return range(min(most, len(self._names or ())))

    async def _read(self, names: Sequence[_Name]) -> list[Found]:
        found: dict[tuple[str, str, str], Found] = {}
        by_place: dict[Place, list[_Name]] = {}
        for name in names:
            by_place.setdefault(name.place, []).append(name)
        for place, its in by_place.items():
            for each in await self._read_of(place, its):
                found[place.scope, place.namespace, each.record.id] = each
        ordered = [(n.place.scope, n.place.namespace, n.id) for n in names]
        return [found[name] for name in ordered if name in found]

    async def _read_of(self, place: Place, names: Sequence[_Name]) -> list[Found]:
        wanted = [key for name in names for key in name.keys]
        items = await self.reader.state.get_items(place.scope, wanted)
        found = [
            each
            for each in self.reader.group(place, items.values())
            if _matches(each.record.metadata, self.wanted.metadata)
        ]
        return await self.reader.complete_those_left(place, found)

    async def _all_names(self) -> AsyncIterator[_Name]:
        if self.wanted.scope is not None and self.wanted.thread_id is not None:
            threads = [(self.wanted.scope, self.wanted.thread_id)]
        else:
            threads = [each async for each in self._threads()]
        for scope, thread_id in threads:
            for name in await self._names_of(scope, thread_id):
                yield name

    async def _threads(self) -> AsyncIterator[tuple[str, str]]:
        cursor: str | None = None
        while True:
            page = await self.query.search_sessions(
                agent_id=AGENT_ID,
                with_context=False,
                limit=_SESSIONS_PER_PAGE,
                cursor=cursor,
            )
            for session in page:
                thread_id = session.metadata.get(THREAD_ID)
                if isinstance(thread_id, str):
                    yield session.id, thread_id
            if (cursor := page.cursor) is None:
                return

    async def _names_of(self, scope: str, thread_id: str) -> list[_Name]:
        namespace, checkpoint_id = self.wanted.namespace, self.wanted.checkpoint_id
        if namespace is None:
            prefix = keys.CHECKPOINTS
        elif checkpoint_id is None:
            prefix = keys.checkpoints(namespace)
        else:
            prefix = keys.checkpoint(namespace, checkpoint_id)
        items = await self.reader.state.list_items(
            scope, prefix=prefix, with_content=False
        )
        by_owner: dict[str, list[StateItem]] = {}
        for item in items:
            by_owner.setdefault(keys.owner(item.key), []).append(item)
        names: list[_Name] = []
        for owner, its in by_owner.items():
            # The checkpoint itself stands before what is pending on it.
            if its[0].key != owner:
                continue
            data = data_of(its[0])
            if self._is_named(data["id"]):
                place = Place(
                    thread_id=thread_id, scope=scope, namespace=data["namespace"]
                )
                names.append(_Name(data["id"], place, [item.key for item in its]))
        return names

    def _is_named(self, checkpoint_id: str) -> bool:
        wanted = self.wanted
        is_it = wanted.checkpoint_id in {None, checkpoint_id}
        return is_it and (wanted.before is None or checkpoint_id < wanted.before)


def _matches(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(metadata.get(name) == value for name, value in wanted.items())
