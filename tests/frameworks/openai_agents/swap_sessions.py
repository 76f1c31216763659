"""
Puts our session in the place of the SDK's own stores, in the SDK's own tests.

All of a run lies in one database, the one of ``ASM_SUITE_URL`` (``memory`` for none);
what each of the SDK's databases would be is a part of the session's id.
"""

from __future__ import annotations

import os
import uuid
from importlib import import_module
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from asm_async import InMemoryPorts
from asm_async.integrations.openai_agents import AsmSession
from asm_async.portal import Portal, open_portal

URL = os.environ["ASM_SUITE_URL"]
PORTAL = Portal(InMemoryPorts) if URL == "memory" else open_portal(URL, migrate=True)
ENGINE_URL = "sqlite+aiosqlite://" if URL == "memory" else URL
RUN = uuid.uuid4().hex


class SwappedSession(AsmSession):
    """
    Our session, made as the SDK's are.
    """

    def __init__(
        self,
        session_id: str,
        db_path: object = ":memory:",
        *_tables: str,
        session_settings: Any = None,
        engine: Any = None,
        **_others: Any,
    ) -> None:
        place = str(db_path) if engine is None else str(id(engine))
        if ":memory:" in place:
            place = uuid.uuid4().hex
        super().__init__(
            f"{RUN}/{place}/{session_id}",
            PORTAL.ports,
            session_settings=session_settings,
        )
        self.session_id = session_id
        self._engine = engine

    @property
    def engine(self) -> AsyncEngine:
        """
        The engine that SQLAlchemySession has: here one to our database.
        """
        return self._engine or create_async_engine(ENGINE_URL)

    @classmethod
    def from_url(cls, session_id: str, url: str, **options: Any) -> Self:
        """
        Make a session as SQLAlchemySession does.
        """
        return cls(session_id, url, **options)


def swap() -> None:
    """
    Put it where tests import it from; what the SDK has imported is left alone.
    """
    for name in ("encrypt_session", "advanced_sqlite_session"):
        import_module(f"agents.extensions.memory.{name}")
    for place, name in (
        ("agents", "SQLiteSession"),
        ("agents.memory", "SQLiteSession"),
        ("agents.memory.sqlite_session", "SQLiteSession"),
        ("agents.extensions.memory.sqlalchemy_session", "SQLAlchemySession"),
    ):
        setattr(import_module(place), name, SwappedSession)


swap()
