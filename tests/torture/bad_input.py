"""
Whatever callers can get wrong, and values as great as they come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from asm_async.sql import create_engine
from tests.property.great_values import check_size
from tests.property.wrong_calls import WrongCalls, memory_ports, sql_ports
from tests.property.wrong_imports import WrongImports
from tests.torture.campaign import Campaign, Setting, Tally
from tests.torture.databases import migrated_database

__all__ = ["CAMPAIGN"]

_SIZES = (0, 1, 1 << 16, 1 << 20, 1 << 24, 1 << 26, (1 << 26) + 1)

_Check = Callable[[st.DataObject], Coroutine[Any, Any, None]]


async def run(setting: Setting) -> Tally:
    """
    Return methods and imports what chance thinks of: of each four, one is an import.

    Everything is compared with the adapter in memory: both refuse, in the same words,
    or neither does; and what is refused has written nothing.
    """
    async with migrated_database(setting) as url:
        # Hypothesis has no event loop, so that each example runs in one of its own.
        return await asyncio.to_thread(_try_all, setting, url)


def _try_all(setting: Setting, url: str) -> Tally:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:

        async def begin() -> WrongCalls:
            engine = create_engine(url, execution_options={"asm_announces": False})
            calls = WrongCalls(sql_ports(engine), memory_ports())
            await calls.begin()
            return calls

        calls = runner.run(begin())
        imports = WrongImports(calls.tested.query_api)
        try:
            imported = setting.faults // 4
            _try(calls.check, setting.faults - imported, setting, runner)
            runner.run(calls.check_nesting())
            _try(imports.check, imported, setting, runner)
            for size in _SIZES:
                if not setting.is_over():
                    setting.tell(f"values of {size} bytes")
                    runner.run(check_size(calls.tested, size))
        finally:
            runner.run(calls.tested.close())
    refused = calls.refused + imports.refused
    acknowledged = calls.taken + imports.taken
    return Tally(
        faults=acknowledged + refused,
        acknowledged=acknowledged,
        refused=refused,
        unknown=0,
    )


def _try(
    check: _Check, examples: int, setting: Setting, runner: asyncio.Runner
) -> None:
    """
    Check so many examples, fewer if the time is up.
    """
    if not examples:
        return
    done = 0

    @seed(setting.random.getrandbits(64))
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(data=st.data())
    def each(data: st.DataObject) -> None:
        nonlocal done
        if setting.is_over():
            return
        runner.run(check(data))
        done += 1
        if not done % max(1, examples // 5):
            setting.tell(f"{done} of {examples} examples")

    each()


CAMPAIGN = Campaign(
    name="bad_input",
    title="Arguments and imports that are wrong in any way, values up to 64 MiB",
    run=run,
    faults=5_000,
)
