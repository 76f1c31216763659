"""
Ports in front of others, whose values are stored in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import attrs

from asm_async.coded import CodedSessionStore, CodedValue, Coder
from asm_async.errors import UnreadableValueError
from asm_async.ports.session_store import SessionStore
from asm_async.testing.backend import QueryAPIBackend
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_values import decode_json, encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

HIDDEN = "hidden"

_OBJECTS: Mapping[type[CodedValue], tuple[str, ...]] = MappingProxyType(
    {
        Session: ("metadata", "context"),
        Run: ("metadata", "provider_metadata"),
        Artifact: ("metadata",),
        StateItem: (),
        Event: ("data", "metadata"),
    }
)


class Hiding(Coder):
    """
    Stores JSON as text that is turned around, so that nobody finds what it says.

    What was not stored through it cannot be read.
    """

    async def encode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Hide the JSON of each value, and the bytes of an item.
        """
        return [self._changed(value, _hidden, _turned) for value in values]

    async def decode(self, values: Sequence[CodedValue]) -> Sequence[CodedValue]:
        """
        Show what was hidden.
        """
        return [self._shown(value) for value in values]

    def unreadable(self, value: CodedValue, error: UnreadableValueError) -> CodedValue:
        """
        Say that there is something that cannot be read.
        """
        return self._changed(value, lambda _: {"unreadable": str(error)}, _turned)

    def _shown(self, value: CodedValue) -> CodedValue:
        try:
            return self._changed(value, _shown, _turned)
        except (KeyError, TypeError, ValueError) as error:
            reason = "it was not hidden"
            raise UnreadableValueError(reason, subject=repr(value)) from error

    def _changed(
        self,
        value: CodedValue,
        change: Callable[[Any], Any],
        change_bytes: Callable[[bytes], bytes],
    ) -> CodedValue:
        changes: dict[str, Any] = {
            name: change(getattr(value, name)) for name in _OBJECTS[type(value)]
        }
        if isinstance(value, StateItem):
            if value.data is not None:
                changes["data"] = change(value.data)
            if value.content is not None:
                changes["content"] = change_bytes(value.content)
        return attrs.evolve(value, **changes)


def _hidden(plain: object) -> object:
    return {HIDDEN: encode_json(plain)[::-1]} if plain != {} else {}


def _shown(hidden: Any) -> object:
    return decode_json(hidden[HIDDEN][::-1]) if hidden else {}


def _turned(content: bytes) -> bytes:
    return content[::-1]


class CodedBackend:
    """
    A backend whose ports are coded; the ways beside them are those of the inner one.

    Args:
        inner: The backend.

        coder: What is stored in place of what callers see.
    """

    def __init__(self, inner: QueryAPIBackend, coder: Coder) -> None:
        self._inner = inner
        self._coder = coder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open_store(self) -> SessionStore:
        """
        Open another store behind a coded one.
        """
        return CodedSessionStore(await self._inner.open_store(), self._coder)
