"""
Adapters that are given something else than they need say so at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from asm_async.errors import ValidationError
from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemoryMaintenance,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.redaction import RedactingSessionStore, RedactionPolicy
from asm_async.sql import (
    SQLArtifactRegistry,
    SQLEventFeed,
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    SQLStateStore,
)

ON_ENGINES: list[Callable[..., Any]] = [
    SQLSessionStore,
    SQLStateStore,
    SQLQueryAPI,
    SQLMaintenance,
    SQLEventFeed,
    SQLArtifactRegistry,
]
IN_MEMORY: list[Callable[..., Any]] = [
    InMemorySessionStore,
    InMemoryStateStore,
    InMemoryQueryAPI,
    InMemoryMaintenance,
    InMemoryEventFeed,
    InMemoryArtifactRegistry,
]


class StoreLike:
    """
    What has an engine, as a store has.
    """

    engine = create_async_engine("sqlite+aiosqlite://")


@pytest.mark.parametrize("adapter", ON_ENGINES)
@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("sqlite+aiosqlite:///x", "got a str; create_engine makes one of a URL"),
        (sa.make_url("sqlite+aiosqlite:///x"), "create_engine makes one of a URL"),
        (StoreLike(), "got a StoreLike; give it the store's: its attribute engine"),
        (StoreLike.engine.sync_engine, "got an Engine; asm_async.sql.create_engine"),
        (None, "got a NoneType; asm_async.sql.create_engine makes one"),
        (InMemoryDatabase(), "got an InMemoryDatabase"),
    ],
    ids=range(6),
)
def test_what_is_no_engine_is_refused(
    adapter: Callable[..., Any], given: object, complaint: str
) -> None:
    """
    The error says what was given, and where an engine comes from.
    """
    culprit = "^engine: expected an AsyncEngine, .*" + re.escape(complaint)
    with pytest.raises(ValidationError, match=culprit):
        adapter(given)


@pytest.mark.parametrize("adapter", IN_MEMORY)
@pytest.mark.parametrize("given", [InMemorySessionStore(), "sqlite://", {}, 0])
def test_what_is_no_database_in_memory_is_refused(
    adapter: Callable[..., Any], given: object
) -> None:
    """
    The error says which is wanted: the one that the store was given.
    """
    culprit = "^database: expected an InMemoryDatabase, .* the store was made"
    with pytest.raises(ValidationError, match=culprit):
        adapter(given)


@pytest.mark.parametrize(
    ("adapter", "given", "options", "culprit"),
    [
        (SQLMaintenance, StoreLike.engine, {"clock": None}, "clock: expected a func"),
        (InMemoryMaintenance, InMemoryDatabase(), {"clock": 1}, "clock: expected a"),
        (SQLEventFeed, StoreLike.engine, {"listens": "no"}, "listens: expected True"),
        (RedactingSessionStore, "x", {"policy": RedactionPolicy()}, "store: expected"),
    ],
    ids=range(4),
)
def test_other_arguments_are_looked_at_as_well(
    adapter: Callable[..., Any], given: object, options: dict[str, Any], culprit: str
) -> None:
    """
    What would fail at the first call fails here, by its name.
    """
    with pytest.raises(ValidationError, match=f"^{culprit}"):
        adapter(given, **options)
