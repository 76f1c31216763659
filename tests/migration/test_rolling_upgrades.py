"""
Two versions side by side, while the schema is moved from the one's to the other's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from asm_async import Ports, open_ports
from asm_async.errors import MigrationRequiredError
from asm_async.sql import create_engine, migrations
from asm_async.testing.event_feed.contract import take
from asm_async.testing.factories import make_event, make_session
from asm_async.testing.session_store.contract import numbers_of

LaterVersion = Callable[[], AbstractContextManager[None]]

EACH = 20


async def upgrade(url: str) -> None:
    """
    Do what the job before a rollout does.
    """
    engine = create_engine(url)
    await migrations.upgrade(engine)
    await engine.dispose()


async def append_some(ports: Ports, name: str) -> None:
    """
    Append to the session that both versions write to.
    """
    for number in range(EACH):
        await ports.store.append_event(make_event(id=f"{name}_{number}"))


async def test_two_versions_write_side_by_side(
    url: str, later_version: LaterVersion
) -> None:
    """
    The old one's open store goes on beside the new one's, and no number is missing.
    """
    async with open_ports(url, migrate=True) as old:
        await old.store.save_session(make_session())
        before = asyncio.create_task(append_some(old, "before"))
        with later_version():
            await upgrade(url)
            async with open_ports(url) as new:
                await asyncio.gather(append_some(old, "old"), append_some(new, "new"))
                await before
                seen = await take(new.feed.follow_session("ses_1"), 3 * EACH)

    assert numbers_of(seen) == list(range(1, 3 * EACH + 1))


async def test_the_old_version_does_not_begin_on_the_new_schema(
    url: str, later_version: LaterVersion
) -> None:
    """
    A process of the old one that starts anew is refused, and so is a port's first call.
    """
    async with open_ports(url, migrate=True) as old:
        with later_version():
            await upgrade(url)

        with pytest.raises(MigrationRequiredError, match="revision 0002"):
            await old.query.search_sessions()
    with pytest.raises(MigrationRequiredError, match="revision 0002"):
        async with open_ports(url):
            pass


async def test_the_new_version_does_not_begin_on_the_old_schema(
    url: str, later_version: LaterVersion
) -> None:
    """
    What is rolled out before the migration is refused at its start, and harms nothing.
    """
    async with open_ports(url, migrate=True) as old:
        await old.store.save_session(make_session())
        with (
            later_version(),
            pytest.raises(MigrationRequiredError, match="db upgrade"),
        ):
            async with open_ports(url):
                pass
        await append_some(old, "old")
        assert await old.store.get_latest_sequence("ses_1") == EACH


async def test_after_the_way_back_the_old_version_begins_with_all_that_was_written(
    url: str, later_version: LaterVersion
) -> None:
    """
    What the new version had stored in the tables of both is there.
    """
    await upgrade(url)
    with later_version():
        await upgrade(url)
        async with open_ports(url) as new:
            await new.store.save_session(make_session())
            await append_some(new, "new")
        engine = create_engine(url)
        await migrations.downgrade(engine, "0001")
        await engine.dispose()

    async with open_ports(url) as old:
        await append_some(old, "old")
        found = await old.store.get_events("ses_1")
    assert numbers_of(found) == list(range(1, 2 * EACH + 1))
