"""
What calls come to where they are usual, and where all is read first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

import pytest

from asm_async.errors import ASMError
from asm_async.sql import SQLPorts, create_engine
from asm_async.sql.writes import operations
from tests.integration.test_fast_items import ports_on

__all__ = ["Call", "check_both_ways", "outcomes_of"]

Call: TypeAlias = Callable[[], Awaitable[object]]


class Told(Protocol):
    """
    What makes calls, and notes what comes of them.
    """

    told: list[str]


ToldT = TypeVar("ToldT", bound=Told)


async def outcomes_of(calls: Sequence[Call]) -> list[object]:
    """
    Return what comes of calls that are made at once: values, and the store's errors.
    """
    found = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    for each in found:
        if isinstance(each, BaseException) and not isinstance(each, ASMError):
            raise each
    return list(found)


async def check_both_ways(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[[SQLPorts, str], Awaitable[ToldT]],
    save: Callable[[ToldT], Awaitable[None]],
) -> None:
    """
    Compare what saves come to with what they do if nothing is taken to be usual.

    Args:
        url: Of the database.

        monkeypatch: Takes the usual way away.

        begin: Makes what is saved with, of the ports and a name for all ids.

        save: Saves.
    """
    async with ports_on(create_engine(url)) as ports:
        fast = await begin(ports, "fast")
        await save(fast)
        monkeypatch.setattr(operations.Commit, "is_usual", False)
        slow = await begin(ports, "slow")
        await save(slow)

    for one, another in zip(fast.told, slow.told, strict=True):
        assert one.replace("fast", "slow") == another
