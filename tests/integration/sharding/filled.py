"""
What is moved in the tests of faults, and where it has to be in the end.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.sharding import (
    ShardedPorts,
    ShardState,
    list_shards,
)
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_events,
    make_item,
    make_run,
    make_session,
)
from tests.integration.sharding.broken_off import (
    SHARD,
)

_HERE, _ABSENT = ShardState.HERE, ShardState.ABSENT


async def states(movers: Mapping[str, AsyncEngine]) -> dict[str, ShardState]:
    """
    Return what each primary says of the shard.
    """
    said = await list_shards(movers)
    return {name: claims[SHARD].state for name, claims in said.items()}


async def fill(ports: ShardedPorts, events: int = 3) -> None:
    """
    Store a session with all that one may have, and one that is deleted.
    """
    for session_id in ("acme/1", "acme/gone"):
        await ports.store.save_session(make_session(id=session_id, tags=["a"]))
        await ports.store.append_events(make_events(events, session_id=session_id))
    await ports.store.delete_session("acme/gone")
    await ports.store.save_run(make_run(session_id="acme/1"))
    await ports.artifacts.register(make_artifact(session_id="acme/1"))
    await ports.state.save_items([make_item(scope="acme/config", key="k")])


async def check(ports: ShardedPorts, movers: Mapping[str, AsyncEngine]) -> None:
    """
    Expect all that was filled in, once, on the one primary that has the shard.
    """
    said = await states(movers)
    (home,) = [name for name in said if said[name] is _HERE]
    assert {*said.values()} == {_HERE, _ABSENT}
    for name, primary in ports.primaries.items():
        found = await primary.store.list_sessions(include_deleted=True)
        assert [each.id for each in found] == ["acme/1"] * (name == home)
        assert await primary.query.count_events() == 3 * (name == home)
        items = await primary.state.list_items("acme/config")
        assert len(items) == (name == home)
    events = await ports.store.get_events("acme/1")
    assert [event.sequence_number for event in events] == [1, 2, 3]
    assert (await ports.store.get_run("run_1")).session_id == "acme/1"
    assert (await ports.artifacts.get("art_1")).session_id == "acme/1"
    await ports.store.save_session(make_session(id="acme/gone"))
    event = make_event(id="evt_9", session_id="acme/gone")
    stored = await ports.store.append_event_with_sequence(event)
    assert stored.sequence_number == 4
    await ports.store.delete_session("acme/gone")
    # It takes writes, and the next of the session has its next number.
    stored = await ports.store.append_event_with_sequence(
        make_event(id="evt_4", session_id="acme/1")
    )
    assert stored.sequence_number == 4
