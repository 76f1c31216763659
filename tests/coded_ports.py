"""
Ports in front of others, whose values are stored in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import attrs
import pytest

from asm_async.coded import (
    CodedArtifactRegistry,
    CodedEventFeed,
    CodedMaintenance,
    CodedQueryAPI,
    CodedSessionStore,
    CodedStateStore,
    CodedValue,
    Coder,
)
from asm_async.errors import UnreadableValueError
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.testing.backend import RecordingBackend
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_values import decode_json, encode_json
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

HIDDEN = "hidden:"

_OBJECTS: Mapping[type[CodedValue], tuple[str, ...]] = MappingProxyType(
    {
        Session: ("metadata", "context"),
        Run: ("metadata",),
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
        except (AttributeError, ValueError) as error:
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
    if isinstance(plain, dict):
        members = cast("dict[str, object]", plain)
        return {key: _hidden_text(member) for key, member in members.items()}
    return _hidden_text(plain)


def _hidden_text(plain: object) -> str:
    return HIDDEN + encode_json(plain)[::-1]


def _shown(hidden: Any) -> object:
    if isinstance(hidden, dict):
        members = cast("dict[str, Any]", hidden)
        return {key: _shown(member) for key, member in members.items()}
    if not hidden.startswith(HIDDEN):
        raise ValueError(hidden)
    return decode_json(hidden.removeprefix(HIDDEN)[::-1])


def _turned(content: bytes) -> bytes:
    return content[::-1]


class CodedBackend:
    """
    A backend whose ports are coded; the ways beside them are those of the inner one.

    Args:
        inner: The backend.

        coder: What is stored in place of what callers see.
    """

    def __init__(self, inner: RecordingBackend, coder: Coder) -> None:
        self._inner = inner
        self._coder = coder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def open_store(self) -> SessionStore:
        """
        Open another store behind a coded one.
        """
        return CodedSessionStore(await self._inner.open_store(), self._coder)

    async def open_state_store(self) -> StateStore:
        """
        Open another state store behind a coded one.
        """
        return CodedStateStore(await self._inner.open_state_store(), self._coder)

    async def open_artifact_registry(self) -> ArtifactRegistry:
        """
        Open another artifact registry behind a coded one.
        """
        registry = await self._inner.open_artifact_registry()
        return CodedArtifactRegistry(registry, self._coder)

    async def open_event_feed(self) -> EventFeed:
        """
        Open another event feed behind a coded one.
        """
        return CodedEventFeed(await self._inner.open_event_feed(), self._coder)

    async def open_query_api(self) -> QueryAPI:
        """
        Open another query API behind a coded one.
        """
        return CodedQueryAPI(await self._inner.open_query_api(), self._coder)

    async def open_maintenance(self, *, now: datetime | None = None) -> Maintenance:
        """
        Open another maintenance behind a coded one.
        """
        maintenance = await self._inner.open_maintenance(now=now)
        return CodedMaintenance(maintenance, self._coder)


# Where large data comes in or goes out, lines of artifacts are added or left out: what
# is told of an export or import on its way has other counts then.
_COUNTED = {
    "TestExports::test_progress_is_told_after_each_write",
    "TestImports::test_progress_is_told",
}


def without_counted_lines(items: list[pytest.Item], place: Path) -> list[pytest.Item]:
    """
    Return tests without those of a place that count the lines of an export.
    """
    return [
        item
        for item in items
        if place not in item.path.parents
        or item.nodeid.split("::", 1)[1].split("[")[0] not in _COUNTED
    ]
