"""
All ports over several primaries, together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import attrs
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ValidationError
from asm_async.ports.together import Ports
from asm_async.sharding.artifact_registry import ShardedArtifactRegistry
from asm_async.sharding.checkpoints import NAME
from asm_async.sharding.event_feed import ShardedEventFeed
from asm_async.sharding.fences import check_engines, set_up_fences
from asm_async.sharding.maintenance import ShardedMaintenance
from asm_async.sharding.primary_feed import PrimaryFeed
from asm_async.sharding.query_api import ShardedQueryAPI
from asm_async.sharding.router import Router
from asm_async.sharding.session_store import ShardedSessionStore
from asm_async.sharding.state_store import ShardedStateStore
from asm_async.sql import create_engine
from asm_async.sql.core.deadlines import check_timeout
from asm_async.sql.ports import SQLPorts
from asm_async.sql.runtime.engine import dispose_within


@attrs.frozen(kw_only=True, eq=False, init=False)
class ShardedPorts(Ports):
    """
    The ports over several primaries, each with some of the 256 logical shards.

    Args:
        engines: The primaries' engines, by name, which stay the caller's: made by
            :func:`shard_engine`.

        timeout: As for :class:`~asm_async.sql.SQLPorts`.

    Raises:
        ValidationError: If there are none, or a name is no name.
    """

    primaries: Mapping[str, SQLPorts]
    """
    The ports of each primary by itself, for what concerns one alone.
    """

    router: Router
    """
    What knows where each shard is.
    """

    def __init__(
        self, engines: Mapping[str, AsyncEngine], *, timeout: float = 30.0
    ) -> None:
        check_names(engines)
        check_engines(engines, is_mover=False)
        each = {
            name: SQLPorts(engine, timeout=timeout) for name, engine in engines.items()
        }
        router = Router(engines, timeout)
        object.__setattr__(self, "primaries", each)
        object.__setattr__(self, "router", router)
        super().__init__(
            store=ShardedSessionStore(router, {n: p.store for n, p in each.items()}),
            state=ShardedStateStore(router, {n: p.state for n, p in each.items()}),
            query=ShardedQueryAPI(router, {n: p.query for n, p in each.items()}),
            maintenance=ShardedMaintenance(
                router,
                {n: p.maintenance for n, p in each.items()},
                {n: p.artifacts for n, p in each.items()},
            ),
            feed=ShardedEventFeed(
                router,
                {n: PrimaryFeed(e, timeout=timeout) for n, e in engines.items()},
            ),
            artifacts=ShardedArtifactRegistry(
                router, {n: p.artifacts for n, p in each.items()}
            ),
        )


def shard_engine(
    url: str | sa.URL, *, is_mover: bool = False, **options: Any
) -> AsyncEngine:
    """
    Make an engine fit for a primary: as :func:`~asm_async.sql.create_engine` does.

    An SQLite file that is a primary can be written through such an engine alone.

    Args:
        url: As there.

        is_mover: Whether it is for :func:`move_shard` alone.

        options: As there.
    """
    engine = create_engine(url, **options)
    set_up_fences(engine, is_mover=is_mover)
    return engine


@asynccontextmanager
async def open_sharded_ports(
    primaries: Mapping[str, str | sa.URL], *, timeout: float = 30.0, **options: Any
) -> AsyncGenerator[ShardedPorts]:
    """
    Open all ports over several primaries for as long as the ``async with`` block lasts.

    Args:
        primaries: The URLs of all primaries, by the names under which checkpoints know
            them: 1 to 32 small letters, digits, ``-`` and ``_``.

        timeout: As for :func:`~asm_async.open_ports`.

        options: As for :func:`~asm_async.sql.create_engine`, for each primary.

    Raises:
        ValidationError: If the primaries do not have all shards between them, or two
            have the same one.

        MigrationRequiredError: If the schema of one is missing, older or newer.

        StorageUnavailableError: If one cannot be reached within *timeout*.
    """
    check_names(primaries)
    seconds = check_timeout(timeout)
    async with AsyncExitStack() as opened:
        engines: dict[str, AsyncEngine] = {}
        for name, url in primaries.items():
            engines[name] = shard_engine(url, **options)
            opened.push_async_callback(dispose_within, engines[name], seconds)
        ports = await opened.enter_async_context(ShardedPorts(engines, timeout=timeout))
        for each in ports.primaries.values():
            opened.push_async_callback(each.aclose)
            await each.store.open()
        await ports.router.check_complete()
        yield ports


def check_names(primaries: Mapping[str, object]) -> None:
    """
    Refuse what are no names of primaries.

    Raises:
        ValidationError: If there are none, or one is none.
    """
    if not isinstance(cast("object", primaries), Mapping) or not primaries:
        raise ValidationError("primaries: expected at least one, by its name")
    for name in primaries:
        if not (isinstance(cast("object", name), str) and NAME.fullmatch(name)):
            raise ValidationError(
                f"primaries: {name!r} is no name: use 1 to 32 small letters, digits,"
                " '-' and '_'"
            )
