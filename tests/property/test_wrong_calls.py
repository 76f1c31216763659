"""
Whatever a method is given, every adapter takes or refuses it as the one in memory does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asm_async.sql import create_engine, migrations
from tests.effort import examples
from tests.property.great_values import check_size
from tests.property.wrong_calls import WrongCalls, memory_ports, sql_ports


@pytest.fixture
async def wrong_calls(database_url: str | None) -> AsyncGenerator[WrongCalls]:
    """
    Open each database in turn, beside one in memory.
    """
    if database_url is None:
        calls = WrongCalls(memory_ports(), memory_ports())
        await calls.begin()
        yield calls
        return
    engine = create_engine(database_url, execution_options={"asm_announces": False})
    if engine.url.database is None:
        await migrations.upgrade(engine)
    calls = WrongCalls(sql_ports(engine), memory_ports())
    await calls.begin()
    yield calls
    await calls.tested.close()


@settings(
    max_examples=examples(120),
    # All examples of a test share a database, as all callers do.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_a_wrong_argument_is_refused_alike(
    wrong_calls: WrongCalls, data: st.DataObject
) -> None:
    """
    Class, code and message are the same, and no table has changed.
    """
    await wrong_calls.check(data)


async def test_nesting_without_bounds_is_refused_alike(wrong_calls: WrongCalls) -> None:
    """
    Ten thousand levels, and circles, in every argument of every method.
    """
    await wrong_calls.check_nesting()
    assert wrong_calls.refused > 300


@pytest.mark.parametrize("size", [0, 100, 1 << 20, 1 << 23])
async def test_a_value_may_have_any_size(wrong_calls: WrongCalls, size: int) -> None:
    """
    From nothing to some megabytes; a campaign goes on to 64.
    """
    await check_size(wrong_calls.tested, size)
