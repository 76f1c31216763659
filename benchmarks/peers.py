"""
What people use today, each at its own defaults.

This module alone imports them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents import SQLiteSession
from agents.extensions.memory import SQLAlchemySession
from google.adk.events import Event as ADKEvent
from google.adk.sessions import DatabaseSessionService
from google.genai import types
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.contenders import Contender, session_name
from benchmarks.databases import Database
from benchmarks.payloads import JSONObject

__all__ = ["peers_on"]


class _OpenAISession(Contender):
    """
    A session object for each agent; an event is an item.
    """

    has_batches = True
    _sessions: dict[int, Any]

    async def append(self, agent: int, data: JSONObject) -> None:
        """
        Add one item.
        """
        await self._sessions[agent].add_items([data])

    async def append_batch(self, batch: tuple[int, Sequence[JSONObject]]) -> None:
        """
        Add all items at once.
        """
        agent, data = batch
        await self._sessions[agent].add_items(list(data))

    async def read(self, agent: int, last: int | None = None) -> int:
        """
        Get the items.
        """
        return len(await self._sessions[agent].get_items(last))


class OpenAISQLiteSession(_OpenAISession):
    """
    The SDK's session on a file.
    """

    name = "OpenAI SQLiteSession"

    async def open(self) -> None:
        """
        Do nothing: each session opens the file.
        """
        self._sessions = {}

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Make one object for each agent, on the one file.
        """
        for agent in agents:
            session = SQLiteSession(session_name(agent), self.place.location)
            self._exits.callback(session.close)
            self._sessions[agent] = session


class OpenAISQLAlchemySession(_OpenAISession):
    """
    The SDK's session on SQLAlchemy.
    """

    name = "OpenAI SQLAlchemySession"

    async def open(self) -> None:
        """
        Make one engine for all.
        """
        self._sessions = {}
        self._engine = create_async_engine(self.place.url)
        self._exits.push_async_callback(self._engine.dispose)

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Make one object for each agent; the first makes the tables.
        """
        for agent in agents:
            session = SQLAlchemySession(
                session_name(agent), engine=self._engine, create_tables=True
            )
            await session.get_items(1)
            self._sessions[agent] = session


class ADKSessionService(Contender):
    """
    One service for all; an event carries the text alone, being large without the rest.
    """

    name = "ADK DatabaseSessionService"

    async def open(self) -> None:
        """
        Make the service.
        """
        self._service = DatabaseSessionService(self.place.url)
        self._exits.push_async_callback(self._service.close)
        self._sessions: dict[int, Any] = {}

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Create the sessions.
        """
        for agent in agents:
            self._sessions[agent] = await self._service.create_session(
                app_name="bench", user_id="bench", session_id=session_name(agent)
            )

    async def append(self, agent: int, data: JSONObject) -> None:
        """
        Append one event, as its runner does.
        """
        text = types.Part(text=data["content"])
        content = types.Content(role="model", parts=[text])
        event = ADKEvent(author="agent", content=content)
        await self._service.append_event(self._sessions[agent], event)


class _LangGraphSaver(Contender):
    """
    One saver for all; an event is a checkpoint whose whole state is the event.
    """

    _saver: BaseCheckpointSaver[str]

    async def add_sessions(self, agents: Sequence[int]) -> None:
        """
        Think of a thread for each agent.
        """
        self._configs: dict[int, Any] = {
            agent: {
                "configurable": {
                    "thread_id": session_name(agent),
                    "checkpoint_ns": "",
                }
            }
            for agent in agents
        }

    async def append(self, agent: int, data: JSONObject) -> None:
        """
        Put a checkpoint on top of the last one.
        """
        checkpoint = empty_checkpoint()
        checkpoint["channel_values"] = {"data": data}
        versions: Any = {"data": checkpoint["id"]}
        checkpoint["channel_versions"] = versions
        self._configs[agent] = await self._saver.aput(
            self._configs[agent], checkpoint, {"source": "loop"}, versions
        )


class LangGraphSQLite(_LangGraphSaver):
    """
    The saver on a file.
    """

    name = "LangGraph AsyncSqliteSaver"

    async def open(self) -> None:
        """
        Open the saver as its documentation does.
        """
        saver = AsyncSqliteSaver.from_conn_string(self.place.location)
        self._saver = await self._exits.enter_async_context(saver)


class LangGraphPostgreSQL(_LangGraphSaver):
    """
    The saver on a server.
    """

    name = "LangGraph AsyncPostgresSaver"

    async def open(self) -> None:
        """
        Open the saver as its documentation does.
        """
        saver = AsyncPostgresSaver.from_conn_string(self.place.location)
        opened = await self._exits.enter_async_context(saver)
        await opened.setup()
        self._saver = opened


def peers_on(database: Database) -> list[type[Contender]]:
    """
    Return those that run on *database*.
    """
    if database == "sqlite":
        saver: type[Contender] = LangGraphSQLite
        return [OpenAISQLiteSession, OpenAISQLAlchemySession, ADKSessionService, saver]
    return [OpenAISQLAlchemySession, ADKSessionService, LangGraphPostgreSQL]
