"""
Pickles as plain data: nothing that they name is imported, and nothing is called.

A pickle is a program. If one were loaded, anybody who can write to the database could
run code here, so none is: each class or function that a pickle names becomes a
stand-in, which remembers what it would have been called with.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeGuard
from uuid import UUID

import attrs

from asm_async.importers.databases.values import is_list, is_object
from asm_async.importers.google_adk.stand_ins import StandIn, load_with_stand_ins
from asm_async.importers.records import NotUnderstoodError
from asm_async.values.json_values import encode_json

_MAX_BYTES = 64 * 2**20
# Each value takes a byte at least, but for those that stand in several places.
_MAX_VALUES_PER_BYTE = 10
_MAX_DEPTH = 150
# Whose classes actions consist of.
_OWN = ("google.adk.", "google.genai.", "fastapi.openapi.")
_PYDANTIC = "__pydantic_fields_set__"


@attrs.frozen
class Unpickled:
    """
    What a pickle holds.
    """

    value: Any
    """
    Plain JSON.
    """

    unknown: tuple[str, ...] = ()
    """
    What was named in it and has no form in JSON: ``value`` has its parts instead.
    """


def read_pickle(data: bytes) -> Unpickled:
    """
    Return what a pickle holds, as JSON.

    Objects of pydantic become their members without what is null; times, numbers and
    paths their texts; sets lists, and bytes text in Base64.

    Raises:
        NotUnderstoodError: If it is no pickle, or not one of plain data.
    """
    if len(data) > _MAX_BYTES:
        raise NotUnderstoodError(f"the pickle is longer than {_MAX_BYTES} bytes")
    try:
        loaded = load_with_stand_ins(data)
    except Exception as error:  # a damaged one raises almost anything
        kind = type(error).__name__
        raise NotUnderstoodError(f"the pickle cannot be read ({kind})") from error
    plain = _Plain(_MAX_VALUES_PER_BYTE * len(data))
    value = plain.of(loaded, 0)
    return Unpickled(value, tuple(sorted(plain.unknown)))


class _Plain:
    """
    Makes JSON of what was loaded.
    """

    def __init__(self, max_values: int) -> None:
        self.unknown: set[str] = set()
        self._max_values = max_values
        self._count = 0

    def of(self, value: Any, depth: int) -> Any:
        """
        Return a value as JSON.
        """
        # The same list may stand in itself, or in very many places.
        self._count += 1
        if self._count > self._max_values or depth > _MAX_DEPTH:
            raise NotUnderstoodError("the pickle holds too much, or itself")
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case bytes() | bytearray():
                return base64.b64encode(value).decode("ascii")
            case _:
                return self._composed(value, depth)

    def _composed(self, value: Any, depth: int) -> Any:
        if is_object(value):
            return self._members(value, depth)
        if is_list(value):
            return [self.of(member, depth + 1) for member in value]
        if _is_set(value):
            # In the same order each time.
            return sorted((self.of(m, depth + 1) for m in value), key=encode_json)
        if isinstance(value, StandIn):
            return self._object(value, depth)
        # A class or a function itself, which stands in for nothing.
        return self._strange(str(getattr(value, "origin", "")))

    def _members(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key, member in value.items():
            plain = self.of(key, depth + 1)
            name = plain if isinstance(plain, str) else str(plain)
            members[name] = self.of(member, depth + 1)
        return members

    def _object(self, value: StandIn, depth: int) -> Any:
        state: Any = value.state
        try:
            simple = _FORMS[value.origin](value)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            pass
        else:
            return self.of(simple, depth + 1)
        if is_object(state) and _PYDANTIC in state:
            members: dict[str, Any] = state.get("__dict__") or {}
            told = {k: v for k, v in members.items() if v is not None}
            return self._members(told, depth)
        if value.origin.startswith(_OWN) and state is None and len(value.args) == 1:
            # A member of one of its enumerations is made of its value.
            return self.of(value.args[0], depth + 1)
        parts: list[Any] = [*value.args, *value.members, *value.pairs.items(), state]
        return self._strange(value.origin, parts, depth)

    def _strange(self, origin: str, parts: Any = (), depth: int = 0) -> Any:
        self.unknown.add(origin)
        return {"pickled": origin, "parts": self.of(list(parts), depth + 1)}


def _is_set(value: object) -> TypeGuard[AbstractSet[Any]]:
    return isinstance(value, set | frozenset)


def _datetime_of(value: StandIn) -> str:
    data: bytes = value.args[0]
    zone = None
    if len(value.args) > 1 and value.args[1].origin == "datetime.timezone":
        zone = timezone(timedelta(*value.args[1].args[0].args))
    micros = int.from_bytes(data[7:10], "big")
    # The month's highest bit says which of two equal times in a year's last hour of
    # summer it is.
    day = (_year(data), data[2] & 0x7F, data[3])
    hour, minute, second = data[4:7]
    time = datetime(  # noqa: DTZ001 - it may have none
        *day, hour, minute, second, micros, zone
    )
    return time.isoformat()


def _date_of(value: StandIn) -> str:
    data: bytes = value.args[0]
    return date(_year(data), data[2], data[3]).isoformat()


def _year(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")


def _first(value: StandIn) -> Any:
    return value.args[0]


def _path_of(value: StandIn) -> str:
    return str(PurePosixPath(*map(str, value.args)))


_FORMS: Mapping[str, Callable[[StandIn], Any]] = MappingProxyType(
    {
        "datetime.datetime": _datetime_of,
        "datetime.date": _date_of,
        "datetime.timedelta": lambda value: timedelta(*value.args).total_seconds(),
        "decimal.Decimal": _first,
        "uuid.UUID": lambda value: str(UUID(int=value.state["int"])),
        "collections.OrderedDict": lambda value: value.pairs,
        "collections.defaultdict": lambda value: value.pairs,
        "builtins.set": lambda value: frozenset(value.args[0]),
        "builtins.frozenset": lambda value: frozenset(value.args[0]),
        "builtins.list": _first,
        "builtins.tuple": _first,
        "pathlib.PosixPath": _path_of,
        "pathlib.PurePosixPath": _path_of,
        "pathlib._local.PosixPath": _path_of,
        "pathlib._local.PurePosixPath": _path_of,
    }
)
