"""
Where wrapped data keys are kept: the protocol, and its adapters.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import NamedTuple, Protocol, runtime_checkable

from asm_async.errors import RevisionConflictError
from asm_async.ports.state_store import StateStore
from asm_async.values.state_item import StateItem

KEYS_SCOPE = "asm.keys"
"""
The scope of the state items in which :class:`StateKeyStore` keeps its records.
"""

_NAMES_PER_PAGE = 500


class StoredRecord(NamedTuple):
    """
    A record as a key store keeps it.
    """

    content: bytes
    version: str
    """
    What tells it from any other that was or will be kept under its name.
    """


@runtime_checkable
class KeyStore(Protocol):
    """
    Keeps one record of wrapped keys for each owner.

    **Apart.** It must lie outside of the database that the keys encrypt, and of its
    backups: where a backup has both, to drop a key erases nothing there.

    **Atomicity.** A write is whole or not at all, and durable when it returns. Of any
    number of writes that expect the same version exactly one succeeds, whatever process
    or host they come from.

    **Errors.** ``StorageError`` if the medium fails.
    """

    async def read(self, name: str) -> StoredRecord | None:
        """
        Return the record of this name; None if there is none.
        """
        ...

    async def write(
        self, name: str, content: bytes, *, expected_version: str | None
    ) -> bool:
        """
        Keep a record, in place of the one of *expected_version*; None for none.

        Returns:
            Whether it was kept; else another one is there.
        """
        ...

    def is_current(self, name: str, version: str) -> bool | None:
        """
        Return whether the record still has this version; None to be asked by a read.

        It is called for each use of a key, so that it must not wait.
        """
        ...

    def names(self) -> AsyncGenerator[str]:
        """
        Yield the names of all records.
        """
        ...


class InMemoryKeyStore(KeyStore):
    """
    Records in this process, for tests: with it go the keys, and all they cover.
    """

    def __init__(self) -> None:
        self._records: dict[str, StoredRecord] = {}
        self._count = 0

    async def read(self, name: str) -> StoredRecord | None:
        """
        Return the record of this name.
        """
        return self._records.get(name)

    async def write(
        self, name: str, content: bytes, *, expected_version: str | None
    ) -> bool:
        """
        Keep a record.
        """
        stored = self._records.get(name)
        if (None if stored is None else stored.version) != expected_version:
            return False
        self._count += 1
        self._records[name] = StoredRecord(content, str(self._count))
        return True

    def is_current(self, name: str, version: str) -> bool | None:
        """
        Look.
        """
        stored = self._records.get(name)
        return stored is not None and stored.version == version

    async def names(self) -> AsyncGenerator[str]:
        """
        Yield the names there are when it begins.
        """
        for name in list(self._records):
            yield name


class StateKeyStore(KeyStore):
    """
    Records as state items of a database, for keys that several hosts share.

    Args:
        state: The state store of *another* database than the one that is encrypted,
            with backups of its own that are kept for as long as erased history may
            still be read from old backups.
    """

    def __init__(self, state: StateStore) -> None:
        self._state = state

    async def read(self, name: str) -> StoredRecord | None:
        """
        Return the content of an item.
        """
        item = (await self._state.get_items(KEYS_SCOPE, [name])).get(name)
        if item is None or item.content is None:
            return None
        return StoredRecord(item.content, str(item.revision))

    async def write(
        self, name: str, content: bytes, *, expected_version: str | None
    ) -> bool:
        """
        Save an item, if it has the revision.
        """
        revision = 0 if expected_version is None else int(expected_version)
        item = StateItem(scope=KEYS_SCOPE, key=name, content=content)
        try:
            await self._state.save_items(
                [item], expected_revisions={(KEYS_SCOPE, name): revision}
            )
        except RevisionConflictError:
            return False
        return True

    def is_current(self, name: str, version: str) -> bool | None:  # noqa: ARG002 - it takes a query
        """
        Return None: only a query can tell.
        """
        return None

    async def names(self) -> AsyncGenerator[str]:
        """
        Yield the keys of the items, in their order.
        """
        after: str | None = None
        while page := await self._state.list_items(
            KEYS_SCOPE, after=after, limit=_NAMES_PER_PAGE, with_content=False
        ):
            for item in page:
                yield item.key
            after = page[-1].key
