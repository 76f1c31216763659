"""
The framework's snapshots of sessions, as state items.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Self, cast

# The session store is experimental: the framework warns of it when it is derived from.
from agent_framework import AgentSession, SessionStore

from asm_async.integrations.ids import safe_id
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.json_values import normalise_json_object
from asm_async.values.state_item import StateItem

_SNAPSHOT = "snapshot"


class AsmSessionStore(SessionStore):
    """
    A ``SessionStore`` of the framework, as state items of a store.

    A snapshot is one item. The last writer wins, as in the framework's own stores, and
    a reader sees a snapshot whole.

    Args:
        ports: Where the items are; those of a portal serve any event loop.

        namespace: Stores of other namespaces keep snapshots of their own.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(self, ports: Ports, *, namespace: str = "default") -> None:
        super().__init__()
        self._runner = PortsRunner(ports)
        self._namespace = fields.text(namespace, "namespace")

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, **options: Any) -> Self:
        """
        Return a store over a database, for any event loop, opened when it is used.

        Args:
            url: As for :func:`~asm_async.open_ports`.

            migrate: Bring the database's schema up to date first.

            options: What the class takes beside the ports.
        """
        make = partial(cls, **options)
        return open_adapter(url, make, migrate=migrate)

    async def aclose(self) -> None:
        """
        Close what :meth:`from_url` has opened; ports that were handed in stay open.
        """
        await self._runner.aclose()

    async def get(self, session_id: str) -> AgentSession | None:
        """
        Return a session of its own as it was stored, None if there is none.

        Raises:
            ValueError: If *session_id* is empty or no text, or the state has something
                of a registered type that its decoder refuses.
        """
        scope = self._scope(session_id)
        found = await self._runner.run(partial(self._get, scope))
        item = found.get(_SNAPSHOT)
        if item is None:
            return None
        return AgentSession.from_dict(cast("dict[str, Any]", item.data))

    async def set(self, session_id: str, session: AgentSession) -> None:
        """
        Store a session as it is when the call begins, in place of what is there.

        Raises:
            ValueError: If *session_id* is empty or no text.

            TypeError: If *session* is of a class of the application's own, which could
                not be restored.

            ValidationError: Naming what in the session is no JSON, and whose type needs
                to be registered; nothing is stored.
        """
        scope = self._scope(session_id)
        # A subclass's own fields would be missing when it is read.
        if type(session) is not AgentSession:
            raise TypeError(
                "session: AsmSessionStore stores AgentSession instances only, not"
                f" {type(session).__name__}"
            )
        snapshot = normalise_json_object(session.to_dict(), "session")
        item = StateItem(scope=scope, key=_SNAPSHOT, data=snapshot)
        await self._runner.run(partial(self._set, item))

    async def delete(self, session_id: str) -> None:
        """
        Remove the session, if it is there.

        Raises:
            ValueError: If *session_id* is empty or no text.
        """
        await self._runner.run(partial(self._delete, self._scope(session_id)))

    async def _get(self, scope: str) -> dict[str, StateItem]:
        return await self._runner.ports.state.get_items(scope, [_SNAPSHOT])

    async def _set(self, item: StateItem) -> None:
        await self._runner.ports.state.save_items([item])

    async def _delete(self, scope: str) -> None:
        await self._runner.ports.state.delete_items(scope, keys=[_SNAPSHOT])

    def _scope(self, session_id: str) -> str:
        self.validate_session_id(session_id)
        return safe_id("agent-framework.session", self._namespace, session_id)
