"""
What is done on the drivers' own connections, past SQLAlchemy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from asm_async.fronts.saving_items import Name
from asm_async.sql.core.prepared import Row, Script, Step
from asm_async.sql.core.rows import EventValues
from asm_async.sql.core.saved_rows import RowValues
from asm_async.values.state_item import StateItem

T = TypeVar("T")


@attrs.frozen
class SavedRow:
    """
    A session or a run to be saved.
    """

    values: RowValues
    expected: int | None
    """
    The revision that must be stored, 0 for one that nobody has ever saved; None for
    any, or none.
    """


@attrs.frozen(kw_only=True)
class AppendBlock:
    """
    New events and runs of living sessions, of which nothing is known to be unusual.
    """

    counts: Mapping[str, int]
    """
    How many events each session gets; 0 where only it or its runs are saved.
    """

    expected: Mapping[str, int]
    """
    The latest number that a session must have, of those for which one is expected.
    """

    tenants: Mapping[str, str]
    """
    The tenant that a session must have, of those for which one is expected.
    """

    runs: Mapping[str, tuple[str, int]]
    """
    The session and the revision that a run must have, of those for which a revision is
    expected, and which are not saved.
    """

    saved_sessions: Mapping[str, SavedRow]
    """
    The sessions that are saved, by id; they need not be there.
    """

    saved_runs: Mapping[str, SavedRow]
    """
    The runs that are saved, by id; each must belong to its session if it is there.
    """

    rows: Sequence[EventValues]
    """
    The events; in the place of the sequence number stands an event's place, from 1,
    among the new ones of its session.
    """


def scope_lock(scope: str) -> str:
    """
    Return the name under which a scope is locked, which no session has.
    """
    return f"\0{scope}"


@attrs.frozen
class ItemRow:
    """
    An item to be saved.
    """

    item: StateItem
    text: str | None
    """
    Its *data* as it is stored.
    """

    expected: int | None
    """
    The revision that must be stored, 0 for none at all; None for any.
    """

    operation_id: str
    """
    The operation that saves it, and must not be the one that saved it last.
    """


@attrs.frozen
class ItemCheck:
    """
    An item that is removed, or only looked at.
    """

    name: Name
    expected: int | None
    """
    The revision that must be stored, 0 for none at all; None for any, or none.
    """

    is_removed: bool


@attrs.frozen(kw_only=True)
class ItemBlock:
    """
    State items of living sessions, of which nothing is known to be unusual.
    """

    rows: Sequence[ItemRow]
    """
    The items that are saved; no name stands twice, here or in the checks.
    """

    checks: Sequence[ItemCheck]
    """
    Those that are removed, or looked at.
    """

    at: datetime
    """
    When they are saved.
    """

    @property
    def session_ids(self) -> set[str]:
        """
        The sessions that must be live.
        """
        ids = {row.item.session_id for row in self.rows}
        return {session_id for session_id in ids if session_id is not None}

    @property
    def locks(self) -> set[str]:
        """
        What it locks: sessions and scopes.
        """
        scopes = {row.item.scope for row in self.rows}
        scopes.update(scope for scope, _ in (check.name for check in self.checks))
        return self.session_ids.union(map(scope_lock, scopes))


@attrs.frozen(kw_only=True)
class GroupWork(Generic[T]):
    """
    What one transaction does for a group of operations.
    """

    locks: Collection[str]
    """
    What it locks: the sessions and scopes that it writes to.
    """

    block: AppendBlock | None
    """
    What may be appended at once.
    """

    items: ItemBlock | None
    """
    What may be saved at once, behind it.
    """

    rest: Callable[[], Script[T]] | None
    """
    All that is to be done beside the blocks, if there is any.
    """

    whole: Callable[[], Script[T]]
    """
    All that is to be done, should something about a block turn out to be unusual.
    """


@attrs.frozen(kw_only=True)
class Committed(Generic[T]):
    """
    What became of a group's work.
    """

    latest: Mapping[str, int] | None
    """
    The latest number of each session of the block; None if the whole was done instead.
    """

    saved_sessions: Mapping[str, int] = MappingProxyType({})
    """
    The revisions of the sessions that were saved at once, by id.
    """

    saved_at: datetime | None = None
    """
    When these were, if there are any.
    """

    saved_runs: Mapping[str, int] = MappingProxyType({})
    """
    The revisions of the runs that were saved at once, by id.
    """

    result: T | None
    """
    What the rest gave, or the whole.
    """

    revisions: Mapping[Name, int] = MappingProxyType({})
    """
    Those of the items that were saved at once.
    """

    first_position: int | None = None
    """
    The place in the feed of the block's first event, behind which its others stand one
    by one; None where only reading tells.
    """


Done: TypeAlias = Callable[[Committed[T] | None, BaseException | None], None]
"""
Called in the event loop with what became of a group's work, or with an error: the
driver's own, or one of ours.
"""


class DirectDialect(ABC):
    """
    What writes groups and reads rows on connections of one driver.
    """

    @abstractmethod
    def is_lost(self, driver: object) -> bool:
        """
        Return whether a connection of the driver's can be used no more.
        """

    @abstractmethod
    def interrupt(self, driver: Any) -> None:
        """
        Have whatever goes on on a connection end soon, and return at once.

        A server is not asked to cancel it: one that is silent would not answer, and one
        that waits for its standby would say that it has committed. The connection is
        lost then, and it stays unknown what becomes of a transaction that commits.
        """

    @abstractmethod
    def start_group(
        self, driver: Any, work: GroupWork[T], timeout: float, done: Done[T]
    ) -> None:
        """
        Start one transaction that does a group's work, and return at once.

        Args:
            driver:
                The driver's own connection. A transaction that somebody left open on it
                is rolled back; none is open when *done* is called.

            work: What to do; committed as a whole or not at all.

            timeout: How long, in seconds, to wait for locks.

            done: Called in the event loop, perhaps before this returns.
        """

    @abstractmethod
    def new_revisions(self, count: int) -> Step:
        """
        Return the step that finds the next *count* revisions of state items.

        They are found under the locks of what is saved then, and ascend. What is
        committed later, under the same lock, has higher ones.
        """

    @abstractmethod
    async def fetch(self, driver: Any, step: Step) -> Sequence[Row]:
        """
        Execute a statement that writes nothing, outside of a transaction.

        Args:
            driver:
                The driver's own connection. A transaction that somebody left open on it
                is rolled back.

            step: The statement.
        """
