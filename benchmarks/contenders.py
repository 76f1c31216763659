"""
Who is measured, as the workloads see them; and the store itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar, Literal, Self, TypeAlias

from asm_async import Event, EventType, Session, open_store
from asm_async.sql import SQLSessionStore
from benchmarks.databases import Database, Databases, Place
from benchmarks.payloads import JSONObject, Payloads

__all__ = [
    "Contender",
    "Kind",
    "Maker",
    "Store",
    "lined_up",
    "new_event",
    "run_name",
    "session_name",
]

Kind: TypeAlias = Literal["store", "before", "raw", "hop", "peer"]
"""
The store, the store of another checkout, a driver alone, a driver alone behind a
thread, or what people use today.
"""


def session_name(agent: int) -> str:
    """
    Name the session of an agent.
    """
    return f"ses_{agent:032x}"


def run_name(agent: int) -> str:
    """
    Name the run that all events of an agent belong to.
    """
    return f"run_{agent:032x}"


class Contender(ABC):
    """
    A way of keeping what agents do, opened on a database of its own.

    A method that a contender does not have says so by ``NotImplementedError``.

    Args:
        place: An empty database, or one that this kind of contender has filled.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind] = "peer"

    has_batches: ClassVar[bool] = False
    """
    Whether it can append several events at once, and read them back as such.
    """

    appends_in_groups: ClassVar[bool] = False
    """
    Whether it has no agents, but appends for all of them in one transaction.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.payloads = Payloads()
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    @abstractmethod
    async def open(self) -> None:
        """
        Connect, and make the tables if there are none.
        """

    @abstractmethod
    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Make a session for each of *agents*.
        """

    async def append(self, agent: int, data: JSONObject) -> None:
        """
        Append one event to an agent's session, durably.
        """
        raise NotImplementedError

    async def append_to_each(
        self, agents: Sequence[int], data: Sequence[JSONObject]
    ) -> None:
        """
        Append one event to the session of each of *agents*, in one transaction.
        """
        raise NotImplementedError

    def prepare(self, agent: int, data: Sequence[JSONObject]) -> Any:
        """
        Make the events of a batch: with ids and times, their JSON not yet text.
        """
        return agent, data

    async def append_batch(self, batch: Any) -> None:
        """
        Append what :meth:`prepare` gave, in one transaction.
        """
        raise NotImplementedError

    async def read(self, agent: int, last: int | None = None) -> int:
        """
        Read an agent's whole session, or its last events, and count them.
        """
        raise NotImplementedError


class Store(Contender):
    """
    The store of this package.
    """

    name = "asm_async"
    kind = "store"
    has_batches = True

    async def open(self) -> None:
        """
        Open the store as its users do.
        """
        store = open_store(self.place.url, migrate=True)
        self.store: SQLSessionStore = await self._exits.enter_async_context(store)

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Save the sessions.
        """
        for agent in agents:
            session = Session.new(agent_id="bench", id=session_name(agent))
            await self.store.save_session(session)

    async def append(self, agent: int, data: JSONObject) -> None:
        """
        Make the event and append it.
        """
        await self.store.append_event_with_sequence(new_event(agent, data))

    def prepare(self, agent: int, data: Sequence[JSONObject]) -> list[Event]:
        """
        Make the events.
        """
        return [new_event(agent, one) for one in data]

    async def append_batch(self, batch: list[Event]) -> None:
        """
        Append the events.
        """
        await self.store.append_events(batch)

    async def read(self, agent: int, last: int | None = None) -> int:
        """
        Get the events.
        """
        return len(await self.store.get_events(session_name(agent), last=last))


def new_event(agent: int, data: JSONObject) -> Event:
    """
    Make an event of an agent's run.
    """
    return Event.new(
        type=EventType.MESSAGE_RECEIVED,
        session_id=session_name(agent),
        run_id=run_name(agent),
        data=data,
    )


Maker: TypeAlias = Callable[[Place], Contender]


@asynccontextmanager
async def lined_up(
    databases: Databases,
    database: Database,
    makers: Iterable[Maker],
    agents: Sequence[int],
) -> AsyncGenerator[list[Contender]]:
    """
    Open contenders, each on a new database of its own with a session for each agent.
    """
    async with AsyncExitStack() as exits:
        contenders: list[Contender] = []
        for make in makers:
            place = await databases.new(database)
            exits.push_async_callback(databases.remove, place)
            contender = await exits.enter_async_context(make(place))
            await contender.add_sessions(agents)
            contenders.append(contender)
        yield contenders
