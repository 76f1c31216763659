"""
A coder as the ports call it: with values of one class, and without the library's own.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from itertools import chain, islice
from typing import Any, TypeVar, cast

from asm_async.coded.coder import CodedValue, Coder
from asm_async.values.artifact import Artifact
from asm_async.values.event import EVENTS_RETRACTED, Event
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import OWN_SCOPES, StateItem

V = TypeVar("V", bound=Session | Run | Event | Artifact | StateItem)


class Coding:
    """
    Encodes and decodes for the ports.

    Args:
        coder: What it calls.
    """

    def __init__(self, coder: Coder) -> None:
        self.coder = coder

    async def encoded(self, values: Sequence[V]) -> list[V]:
        """
        Return what is stored in place of *values*.
        """
        return await _changed(values, self.coder.encode)

    async def decoded(self, values: Sequence[V]) -> list[V]:
        """
        Return what callers see of stored *values*.

        Raises:
            UnreadableValueError: If one of them cannot be decoded.
        """
        return await _changed(values, self.coder.decode)

    async def encoded_parts(
        self, *parts: Sequence[CodedValue]
    ) -> tuple[list[Any], ...]:
        """
        Encode several lists in one call of the coder.
        """
        return _split(await self.encoded([*chain(*parts)]), parts)

    async def decoded_parts(
        self, *parts: Sequence[CodedValue]
    ) -> tuple[list[Any], ...]:
        """
        Decode several lists in one call of the coder.
        """
        return _split(await self.decoded([*chain(*parts)]), parts)

    async def decoded_one(self, value: V) -> V:
        """
        Return what callers see of one stored value.
        """
        (decoded,) = await self.decoded([value])
        return decoded

    async def shown(self, values: Sequence[V]) -> list[V]:
        """
        Return what callers see of stored *values*, also if some cannot be decoded.
        """
        return await _changed(values, self.coder.show)


async def _changed(
    values: Sequence[V],
    change: Callable[[Sequence[CodedValue]], Coroutine[Any, Any, Sequence[CodedValue]]],
) -> list[V]:
    result = list(values)
    places = [index for index, value in enumerate(result) if not _is_own(value)]
    if places:
        changed = await change([result[index] for index in places])
        for index, value in zip(places, changed, strict=True):
            result[index] = cast("V", value)
    return result


def _split(
    values: Sequence[CodedValue], parts: Sequence[Sequence[CodedValue]]
) -> tuple[list[Any], ...]:
    left = iter(values)
    return tuple([[*islice(left, len(part))] for part in parts])


def _is_own(value: CodedValue) -> bool:
    """
    Return whether the library itself reads what a value holds.
    """
    match value:
        case Event():
            return value.type == EVENTS_RETRACTED
        case StateItem():
            return value.scope.startswith(OWN_SCOPES)
        case _:
            return False
