"""
The store without one of its indexes: what each costs an append.
"""

from __future__ import annotations

import sqlite3

import asyncpg

from asm_async import open_store
from benchmarks.contenders import Contender, Maker, Store
from benchmarks.databases import Database, Databases, Place

__all__ = ["stores_without_an_index"]

_SQLITE_INDEXES = """
    SELECT name FROM sqlite_master
    WHERE type = 'index' AND tbl_name = 'asm_events' AND sql IS NOT NULL ORDER BY name
"""
_POSTGRESQL_INDEXES = """
    SELECT indexrelid::regclass::text AS name FROM pg_index
    WHERE indrelid = 'asm_events'::regclass AND NOT indisunique ORDER BY name
"""


async def _query(place: Place, statement: str) -> list[str]:
    if place.database == "sqlite":
        conn = sqlite3.connect(place.location)
        try:
            return [name for (name,) in conn.execute(statement)]
        finally:
            conn.close()
    pg_conn = await asyncpg.connect(place.location)
    try:
        return [name for (name,) in await pg_conn.fetch(statement)]
    finally:
        await pg_conn.close()


class _StoreWithout(Store):
    """
    The store on tables that lack an index.
    """

    kind = "peer"

    def __init__(self, place: Place, index: str) -> None:
        super().__init__(place)
        self.name = f"without {index}"  # type: ignore[misc] # one class for all
        self._index = index

    async def open(self) -> None:
        """
        Drop the index once the tables are there.
        """
        await super().open()
        await _query(self.place, f"DROP INDEX {self._index}")


async def stores_without_an_index(
    databases: Databases, database: Database
) -> list[Maker]:
    """
    Return a store for each index of the events that no constraint needs.
    """
    place = await databases.new(database)
    async with open_store(place.url, migrate=True):
        pass
    statement = _SQLITE_INDEXES if database == "sqlite" else _POSTGRESQL_INDEXES
    names = await _query(place, statement)
    await databases.remove(place)
    return [_without(name) for name in names]


def _without(index: str) -> Maker:
    def make(place: Place) -> Contender:
        return _StoreWithout(place, index)

    return make
