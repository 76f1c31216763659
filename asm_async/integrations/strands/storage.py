"""
The storage of Strands over the ports.
"""

from __future__ import annotations

import builtins
import copy
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self, TypeVar

from strands.storage import InMemoryStorage
from strands.storage.search import (
    KeywordSearchStrategy,
    SearchStrategy,
    StorageSearchResult,
)
from strands.types.exceptions import StorageError

from asm_async.errors import ASMError
from asm_async.integrations.ids import safe_id
from asm_async.integrations.strands.conversations import ConversationWriter
from asm_async.integrations.strands.keys import (
    SESSIONS,
    Conversation,
    normal_key,
    normal_prefix,
    place_of,
)
from asm_async.integrations.strands.snapshot import snapshot_of
from asm_async.portal import PortsRunner, open_adapter
from asm_async.ports.together import Ports
from asm_async.values import fields
from asm_async.values.changes import Changes
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem, item_key, opaque_bytes

T = TypeVar("T")

PREFIX = "strands"


class AsmStorage:
    """
    A ``Storage`` of Strands in a database of ours, for agents, stashes and memories.

    Each key is a state item with the bytes as they were given. A write is durable when
    it returns, and whole or not at all; of several at once, of any threads, processes
    and hosts, each is seen whole.

    **Conversations.** Where ``SnapshotSessionManager`` writes the latest snapshot of an
    agent, the messages that are new in it are appended, in the same commit, as events
    of a session; its id is :meth:`asm_session_id`. So the conversation can be listed,
    searched, followed and read as a transcript, and its tokens are counted, in one
    run for each snapshot that reports some. Messages that the agent drops later to
    save context stay said. Those that it takes back, by restoring an older snapshot or
    redacting the last message, are retracted and what stands in their place is appended
    behind; they can still be read with the retracted events.

    **Deletion.** The snapshots of a conversation, and its stash beside them, go with
    its session when that is deleted for good; and the session goes when the last of
    them is deleted here. What is written to the conversation at that very moment may go
    with it. A write to a conversation whose session is soft-deleted is refused.

    **Event loops.** ``Agent(...)`` runs an event loop in another thread: so *ports* are
    those of a portal, as with :meth:`from_url`, unless one loop alone uses the storage.

    Args:
        ports: Where everything is kept; they stay open.

        name: Tells storages in one database apart.

        tenant_id: The customer whose storage this is, and whose the sessions are:
            another one's is another storage.

        user_id: For whom the agents work, as the sessions say.

        with_messages: Whether messages become events; if not, there are snapshots only.

        search_strategy: What :meth:`search` asks, and is told of each write; words are
            looked for in all that is stored unless given.

    Raises:
        ValidationError: Naming the argument that is wrong.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        name: str = "default",
        tenant_id: str | None = None,
        user_id: str | None = None,
        with_messages: bool = True,
        search_strategy: SearchStrategy[AsmStorage] | None = None,
    ) -> None:
        self._runner = PortsRunner(ports)
        self._tenant_id = fields.optional(tenant_id, "tenant_id", fields.text)
        self._user_id = fields.optional(user_id, "user_id", fields.text)
        names = [fields.text(name, "name"), *filter(None, [self._tenant_id])]
        self._owner = tuple(names)
        self._scope = safe_id(PREFIX, *names)
        self._with_messages = fields.boolean(with_messages, "with_messages")
        self._search_strategy = search_strategy
        self._prefix = ""

    @classmethod
    def from_url(cls, url: str, *, migrate: bool = True, **options: Any) -> Self:
        """
        Return a storage over a database, for any thread and event loop.

        Args:
            url: As for :func:`~asm_async.portal.open_portal`.

            migrate: Bring the database's schema up to date first.

            options: As for the class.
        """
        make = partial(cls, **options)
        return open_adapter(url, make, migrate=migrate)

    def close(self) -> None:
        """
        Close what :meth:`from_url` has opened; with ports of others it does nothing.
        """
        self._runner.close()

    async def write(self, key: str, data: bytes) -> None:
        """
        Store *data* under *key*, in the place of what was there.

        Raises:
            StorageError: If the key or the data are wrong, or the database fails; the
                cause is an error of ours.
        """
        normal = self._normal(key)
        await self._run(partial(self._do_write, normal, data), f"write {key!r}")
        if self._search_strategy is not None:
            relative = normal.removeprefix(self._prefix)
            try:
                await self._search_strategy.index(self, relative, data)
            except Exception as error:
                raise StorageError(f"{key!r} was written, but not indexed") from error

    async def read(self, key: str) -> bytes | None:
        """
        Return what is stored under *key*; None if nothing is.

        Raises:
            StorageError: As for :meth:`write`.
        """
        normal = self._normal(key)
        return await self._run(partial(self._do_read, normal), f"read {key!r}")

    async def delete(self, key: str) -> None:
        """
        Delete what is stored under *key*, if anything is.

        Raises:
            StorageError: As for :meth:`write`.
        """
        normal = self._normal(key)
        await self._run(partial(self._do_delete, normal), f"delete {key!r}")

    async def list(self, query: str = "") -> builtins.list[str]:
        """
        Return the keys that begin with *query*, in order.

        Raises:
            StorageError: As for :meth:`write`.
        """
        prefix = self._prefix + normal_prefix(query)
        keys = await self._run(partial(self._do_list, prefix), f"list {query!r}")
        return [key.removeprefix(self._prefix) for key in keys]

    async def search(self, query: str) -> builtins.list[StorageSearchResult]:
        """
        Return what the search strategy finds, best first.

        Without one, everything stored is read, and words in common are counted.
        """
        if self._search_strategy is not None:
            return await self._search_strategy.search(self, query)
        return await KeywordSearchStrategy().search(self, query)

    def namespace(self, prefix: str) -> Self:
        """
        Return the part of the storage whose keys begin with *prefix*.

        Session managers take it as it is, and put no prefix of their own before.

        Raises:
            StorageError: As for :meth:`write`.
        """
        normal = normal_prefix(prefix).rstrip("/")
        scoped = copy.copy(self)
        # The framework has a mark of its own for that, which only its classes give.
        mark = getattr(InMemoryStorage().namespace("any"), "_namespaced", None)
        below = f"{self._prefix}{normal}/" if normal else self._prefix
        vars(scoped).update(_prefix=below, _namespaced=mark)
        return scoped

    def asm_session_id(self, session_id: str, agent_id: str = "default") -> str:
        """
        Return the id of the session that has an agent's conversation as events.

        Args:
            session_id: That of the session manager.

            agent_id: The agent's.
        """
        root = self._prefix.rstrip("/") or SESSIONS
        return self._session_id(Conversation(root, session_id, agent_id))

    def _session_id(self, conversation: Conversation) -> str:
        names = conversation.root, conversation.session_id, conversation.agent_id
        return safe_id(PREFIX, *self._owner, *names)

    def _session(self, conversation: Conversation) -> Session:
        session = Session.new(
            id=self._session_id(conversation),
            agent_id=f"{PREFIX}/{conversation.agent_id}"[:255],
            tenant_id=self._tenant_id,
            user_id=self._user_id,
            metadata={
                "strands": {
                    "session_id": conversation.session_id,
                    "agent_id": conversation.agent_id,
                }
            },
        )
        return session.update_status(SessionStatus.ACTIVE)

    def _normal(self, key: str) -> str:
        return self._prefix + normal_key(key)

    async def _run(self, make: Callable[[], Awaitable[T]], what: str) -> T:
        try:
            return await self._runner.run(make)
        except ASMError as error:
            raise StorageError(f"could not {what}: {error}") from error

    async def _do_write(self, key: str, data: bytes) -> None:
        ports = self._runner.ports
        item = StateItem(
            scope=self._scope,
            key=item_key(key, "key"),
            content=opaque_bytes(data, "data"),
        )
        place = place_of(key)
        if place.conversation is None:
            await ports.state.save_items([item])
            return
        session = self._session(place.conversation)
        if place.is_latest and self._with_messages:
            snapshot = snapshot_of(item.content or b"")
            if snapshot is not None:
                await ConversationWriter(ports, session, item, snapshot).write()
                return
        owned = StateItem(
            scope=item.scope,
            key=item.key,
            content=item.content,
            session_id=session.id,
        )
        await ports.store.commit(Changes(create_session=session, items=(owned,)))

    async def _do_read(self, key: str) -> bytes | None:
        checked = item_key(key, "key")
        found = await self._runner.ports.state.get_items(self._scope, [checked])
        return found[key].content if key in found else None

    async def _do_delete(self, key: str) -> None:
        ports = self._runner.ports
        await ports.state.delete_items(self._scope, keys=[item_key(key, "key")])
        conversation = place_of(key).conversation
        if conversation is None:
            return
        session_id = self._session_id(conversation)
        left = await ports.state.list_session_items(
            session_id, limit=1, with_content=False
        )
        if not left:
            await ports.store.delete_session(session_id)

    async def _do_list(self, prefix: str) -> builtins.list[str]:
        found = await self._runner.ports.state.list_items(
            self._scope, prefix=prefix, with_content=False
        )
        return [item.key for item in found]
