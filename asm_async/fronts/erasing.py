"""
How sessions are erased, whichever the adapter: in which order, and what is reported.

Whatever breaks off is found by the next call, since a session's row goes last: children
go before their parents, and contents before the artifacts that name them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple, Protocol, TypeVar

import attrs

from asm_async.errors import ValidationError
from asm_async.fronts.retention import checked_grace_period, time_ago
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.maintenance import BeforeRemoval
from asm_async.ports.session_store import MAX_SESSIONS_PER_BATCH
from asm_async.values import fields
from asm_async.values.fields import Text
from asm_async.values.maintenance import ErasureReport
from asm_async.values.value import Value

T = TypeVar("T")

NOBODY = ""
"""
The tenant that the counter of an erased session has: no tenant can be called so.
"""

_MAX_LOOKS = 10
_MAX_CHILD_IDS = 100

_COUNTS: tuple[str, ...] = tuple(
    field.name for field in attrs.fields(ErasureReport) if field.name.endswith("_count")
)


class Member(NamedTuple):
    """
    A session to erase, as it was found; its owner is looked at again under its lock.
    """

    id: str
    tenant_id: str | None
    user_id: str | None


def _ids(value: object, name: str) -> frozenset[str]:
    return frozenset(fields.unique_texts(value, name))


@attrs.frozen(kw_only=True)
class ErasureFilter(Value):
    """
    Which sessions to erase: those that are all that is given.

    Raises:
        ValidationError: Naming what is wrong; also if nothing is given.
    """

    tenant_id: Text | None = None
    user_id: Text | None = None
    session_ids: Annotated[frozenset[str], _ids] | None = None
    with_children: bool = False

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if (self.tenant_id, self.user_id, self.session_ids) == (None, None, None):
            raise ValidationError(
                "tenant_id, user_id, session_ids: expected at least one, which says"
                " what to erase"
            )

    def is_met_by(self, member: Member) -> bool:
        """
        Return whether a session is one of those to erase, seen by itself.
        """
        return (
            self.tenant_id in {None, member.tenant_id}
            and self.user_id in {None, member.user_id}
            and (self.session_ids is None or member.id in self.session_ids)
        )


class ErasureBackend(Protocol):
    """
    What a database does of an erasure.
    """

    def finish_removals(self) -> AsyncGenerator[object]:
        """
        Finish the removals that anybody has begun and broken off, part by part.

        A session whose row is gone first can be found by nothing else.
        """
        ...

    def find(self, wanted: ErasureFilter) -> AsyncGenerator[Sequence[Member]]:
        """
        Yield the sessions that are to be erased now, in pages of 1,000 at most.

        Those that are begun meanwhile are for the next look.
        """
        ...

    async def children_of(
        self, parent_ids: Sequence[str]
    ) -> Sequence[tuple[str, Member]]:
        """
        Find the sessions with one of these parents, each with its parent's id.
        """
        ...

    async def close(self, members: Sequence[Member]) -> Sequence[str]:
        """
        Keep writers out of some sessions, for good, and let nobody restore them.

        Returns:
            The ids of those that are as they were found; others stay as they are.
        """
        ...

    def contents_of(
        self, session_ids: Sequence[str]
    ) -> AsyncGenerator[Sequence[tuple[str, bool]]]:
        """
        Yield the checksums of the contents that closed sessions name, each once.

        And with each whether an artifact of another session, or of none, names it too.
        """
        ...

    def remove(self, session_ids: Sequence[str]) -> AsyncGenerator[ErasureReport]:
        """
        Remove closed sessions with all they have, part by part, and count that.
        """
        ...


@attrs.define
class ContentRemover:
    """
    Removes the contents that only erased sessions name.

    A put renews a content's age: what another caller has put again, to register an
    artifact of its own, is too young to be removed.
    """

    _store: ArtifactStore
    _grace_period: timedelta
    _left: set[bytes] = attrs.field(init=False, factory=set[bytes])

    @classmethod
    def of(cls, store: object, grace_period: object) -> ContentRemover | None:
        """
        Make one for a *store*, if it is one; None for none.

        Raises:
            ValidationError: If *store* or *grace_period* is wrong.
        """
        period = checked_grace_period(grace_period)
        if store is None:
            return None
        if not isinstance(store, ArtifactStore):
            raise fields.unexpected("artifact_store", "an ArtifactStore", store)
        return cls(store, period)

    @property
    def left_count(self) -> int:
        """
        How many contents were not removed.
        """
        return len(self._left)

    async def remove(self, checksum: str, *, is_shared: bool) -> bool:
        """
        Remove a content, if it may be and is there.
        """
        key = bytes.fromhex(checksum)
        put_before = time_ago(datetime.now(UTC), self._grace_period)
        if not is_shared and await self._store.delete(
            checksum, last_put_before=put_before
        ):
            # Another session of those to erase may have shared it before.
            self._left.discard(key)
            return True
        self._left.add(key)
        return False


@attrs.define
class Erasure:
    """
    An erasure under way, and its report as it stands.
    """

    _backend: ErasureBackend
    _wanted: ErasureFilter
    _contents: ContentRemover | None
    _progress: Callable[[ErasureReport], object] | None
    _should_stop: Callable[[], bool] | None
    _before_removal: BeforeRemoval | None
    _done: ErasureReport = attrs.field(factory=ErasureReport, init=False)
    _children_left: set[str] = attrs.field(factory=set[str], init=False)

    @property
    def report(self) -> ErasureReport:
        """
        What was done so far.
        """
        left = self._children_left
        return attrs.evolve(
            self._done,
            contents_left=0 if self._contents is None else self._contents.left_count,
            children_left=len(left),
            child_ids_left=tuple(sorted(left)[:_MAX_CHILD_IDS]),
        )

    async def run(self) -> ErasureReport:
        """
        Erase until a look finds nothing more, or it is to stop.
        """
        async with aclosing(self._batches()) as batches:
            while self._should_stop is None or not self._should_stop():
                batch = await anext(batches, None)
                if batch is None:
                    break
                self._add(batch)
                if self._progress is not None:
                    self._progress(self.report)
        return self.report

    def _add(self, batch: ErasureReport) -> None:
        done = self._done
        sums = {name: getattr(done, name) + getattr(batch, name) for name in _COUNTS}
        self._done = attrs.evolve(done, is_complete=batch.is_complete, **sums)

    async def _batches(self) -> AsyncGenerator[ErasureReport]:
        async with aclosing(self._backend.finish_removals()) as parts:
            async for _ in parts:
                yield ErasureReport()
        # Others may begin sessions faster than they are erased: not forever.
        for _ in range(_MAX_LOOKS):
            is_found = False
            async with aclosing(self._backend.find(self._wanted)) as pages:
                async for page in pages:
                    is_found = True
                    async with aclosing(self._erase_families(page)) as batches:
                        async for batch in batches:
                            yield batch
            if not is_found:
                yield ErasureReport(is_complete=True)
                return

    async def _erase_families(
        self, page: Sequence[Member]
    ) -> AsyncGenerator[ErasureReport]:
        generations = await self._generations(page)
        # A child is found by its parent alone, which therefore goes after it.
        for members in reversed(generations):
            async with aclosing(self._erase(members)) as batches:
                async for batch in batches:
                    yield batch
        # Meanwhile others may have begun children of those that are gone now.
        late = await self._generations(page)
        for members in reversed(late[1:]):
            async with aclosing(self._erase(members)) as batches:
                async for batch in batches:
                    yield batch

    async def _generations(self, page: Sequence[Member]) -> list[Sequence[Member]]:
        """
        Find the children of some sessions, theirs, and so on, each session once.

        A child is erased with its parent if it is the same tenant's, and the same
        user's or nobody's. Parents that are their own descendants come to an end here.
        """
        generations = [page]
        families = {member.id: member for member in page}
        while self._wanted.with_children and generations[-1]:
            children: list[Member] = []
            for part in parts_of(generations[-1]):
                parent_ids = [member.id for member in part]
                for parent_id, child in await self._backend.children_of(parent_ids):
                    family = families[parent_id]
                    if child.id in families:
                        continue
                    is_own = child.tenant_id == family.tenant_id and (
                        child.user_id in {None, family.user_id}
                    )
                    if not is_own and not self._wanted.is_met_by(child):
                        self._children_left.add(child.id)
                        continue
                    user_id = child.user_id or family.user_id
                    families[child.id] = child._replace(user_id=user_id)
                    children.append(child)
            generations.append(children)
        return generations

    async def _erase(self, members: Sequence[Member]) -> AsyncGenerator[ErasureReport]:
        for part in parts_of(members):
            closed = await self._backend.close(part)
            self._children_left.difference_update(closed)
            if self._before_removal is not None:
                await self._before_removal(closed)
            if self._contents is not None:
                async with aclosing(self._backend.contents_of(closed)) as pages:
                    async for page in pages:
                        count = await self._remove_contents(self._contents, page)
                        yield ErasureReport(content_count=count)
            async with aclosing(self._backend.remove(closed)) as batches:
                async for batch in batches:
                    yield batch

    async def _remove_contents(
        self, contents: ContentRemover, page: Sequence[tuple[str, bool]]
    ) -> int:
        return sum(
            [
                await contents.remove(checksum, is_shared=is_shared)
                for checksum, is_shared in page
            ]
        )


def parts_of(members: Sequence[T]) -> Iterator[Sequence[T]]:
    """
    Divide what may be too much for one call, or one transaction.
    """
    size = MAX_SESSIONS_PER_BATCH
    for start in range(0, len(members), size):
        yield members[start : start + size]
