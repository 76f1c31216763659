"""
What is wrong with the primaries is told before anything is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from asm_async.errors import (
    ConflictError,
    ValidationError,
)
from asm_async.sharding import (
    Claim,
    ShardedPorts,
    ShardState,
    abandon_move,
    create_shards,
    list_shards,
    move_shard,
    open_sharded_ports,
    shard_engine,
)
from asm_async.sharding.fences import set_claims
from asm_async.testing.factories import (
    make_artifact,
    make_run,
    make_session,
)
from tests.integration.sharding.broken_off import (
    SHARD,
    SOURCE,
    TARGET,
    BrokenOffError,
)
from tests.integration.sharding.filled import check, fill, states

T = TypeVar("T")

_HERE, _ABSENT = ShardState.HERE, ShardState.ABSENT


async def test_what_is_wrong_is_told_before_anything_is_written(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine], urls: Mapping[str, str]
) -> None:
    """
    A primary that was left out, one by two names, a wrong timeout, no primaries.
    """
    await fill(ports)
    both = {"a": movers[SOURCE], "b": movers[SOURCE]}
    others = {name: movers[name] for name in (TARGET, "p2")}
    wrong: list[tuple[Awaitable[object], str]] = [
        (move_shard(others, SHARD, TARGET), f"^primaries: shard {SHARD} is on none"),
        (abandon_move(others, SHARD), f"^primaries: shard {SHARD} is on none"),
        (move_shard(both, SHARD, "b"), f"both have shard {SHARD}"),
        (move_shard(movers, SHARD, TARGET, timeout=-1), "^timeout: "),
        (create_shards(movers, timeout=float("nan")), "^timeout: "),
    ]
    no_primaries: Any = [urls[SOURCE]]
    wrong.append((list_shards(no_primaries), "^primaries: expected"))
    numbered: Any = {1: movers[SOURCE]}
    wrong.append((list_shards(numbered), "^primaries: 1 is no name"))
    for call, message in wrong:
        with pytest.raises(ValidationError, match=message):
            await call
    await check(ports, movers)


async def test_a_target_must_be_prepared(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    A database of sessions that have no shards would take no write any more.
    """
    await fill(ports)
    async with movers["p2"].begin() as conn:
        await conn.exec_driver_sql("DELETE FROM asm_shards")
    with pytest.raises(ConflictError, match=r"^target: primary 'p2' has no shards"):
        await move_shard(movers, SHARD, "p2")
    assert (await states({name: movers[name] for name in (SOURCE, TARGET)})) == {
        SOURCE: _HERE,
        TARGET: _ABSENT,
    }


async def test_an_id_that_is_in_use_at_the_target_is_named(
    ports: ShardedPorts, movers: Mapping[str, AsyncEngine]
) -> None:
    """
    Of a run, of an artifact, or its key: nothing is moved, and the session is named.
    """
    await fill(ports)
    names = [f"ses_{number}" for number in range(99)]
    there, *_ = [name for name in names if await ports.router.home(name) == TARGET]
    await ports.store.save_session(make_session(id=there))
    same = {
        "asm_runs.id: 'run_1'": ports.store.save_run(make_run(session_id=there)),
        "asm_artifacts.key": ports.artifacts.register(
            make_artifact(id="art_2", session_id=there)
        ),
    }
    for name, write in same.items():
        await write
        with pytest.raises(
            ConflictError, match=f"{name}.*{there!r}.*nothing was moved"
        ):
            await move_shard(movers, SHARD, TARGET)
        assert (await states(movers))[SOURCE] is _HERE
        await ports.store.delete_session(there)
        await ports.store.save_session(make_session(id=there))


@pytest.mark.parametrize("kills", [0, 1, 2, 3, 4, 5])
async def test_shards_are_created_whole(
    urls: Mapping[str, str], movers: Mapping[str, AsyncEngine], kills: int
) -> None:
    """
    Broken off anywhere, it is done again; a primary that was left out gets none.
    """
    for engine in movers.values():
        async with engine.begin() as conn:
            await conn.exec_driver_sql("DELETE FROM asm_shards")
    made = 0

    async def set_and_break_off(
        conn: AsyncConnection, claims: Mapping[int, Claim]
    ) -> None:
        nonlocal made
        if made == kills:
            raise BrokenOffError
        made += 1
        await set_claims(conn, claims)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("asm_async.sharding.creating.set_claims", set_and_break_off)
        with pytest.raises(BrokenOffError):
            await create_shards(movers)
    await create_shards(movers)
    async with open_sharded_ports(urls) as ports:
        assert await ports.router.home("acme/1") == SOURCE


async def test_shards_of_one_that_was_left_out_are_given_to_none(
    movers: Mapping[str, AsyncEngine],
) -> None:
    """
    They are where they were, though the other primaries have no session.
    """
    async with movers["p2"].begin() as conn:
        await conn.exec_driver_sql("DELETE FROM asm_shards")
    await create_shards({name: movers[name] for name in (TARGET, "p2")})
    said = await list_shards(movers)
    assert {claim.state for claim in said["p2"].values()} == {_ABSENT}


async def test_engines_for_movers_are_for_movers_alone(
    movers: Mapping[str, AsyncEngine], urls: Mapping[str, str]
) -> None:
    """
    Through an SQLite engine for a mover the fences would refuse nobody.
    """
    if urls[SOURCE].startswith("postgresql"):
        ShardedPorts(movers)
        return
    with pytest.raises(ValidationError, match=r"'p0' was not made by shard_engine\("):
        ShardedPorts(movers)
    engines = {name: shard_engine(url) for name, url in urls.items()}
    with pytest.raises(ValidationError, match=r"'p0' was not made by .*is_mover=True"):
        await move_shard(engines, SHARD, TARGET)
    for engine in engines.values():
        await engine.dispose()
