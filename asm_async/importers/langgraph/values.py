"""
Values of channels, read without making any object that they name.

LangGraph's own serializer imports the classes that a value names, and calls them, so
that who can write to a database of checkpoints can run code where it is read. Here they
are plain members beside the name.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import attrs

from asm_async.errors import MissingDependencyError
from asm_async.importers.databases.values import is_list, is_object
from asm_async.importers.records import NotUnderstoodError

_MAX_DEPTH = 150

# The numbers that LangGraph's serializer gives to the forms of objects: made of one
# argument, of several, of named ones, by a method, and models of pydantic.
_OBJECTS = frozenset(range(6))
_NUMPY_ARRAY = 6
_DELTA_SNAPSHOT = 7


@attrs.frozen
class Packed:
    """
    An object that is still packed.
    """

    code: int
    data: bytes

    def opened(self) -> Any:
        """
        Return what it is: a :class:`Named` object, or a value.

        Raises:
            NotUnderstoodError: If its bytes have another form.
        """
        if self.code not in {*_OBJECTS, _NUMPY_ARRAY, _DELTA_SNAPSHOT}:
            return self
        inner = unpacked(self.data)
        if self.code == _DELTA_SNAPSHOT:
            return inner
        if self.code == _NUMPY_ARRAY:
            return Named("numpy.ndarray", inner)
        match inner:
            case [str(module), str(name), payload, *_]:
                return Named(f"{module}.{name}", payload)
            case _:
                raise NotUnderstoodError("an object in it has an unknown form")


@attrs.frozen
class Named:
    """
    An object: its class, and what it is made of.
    """

    name: str
    payload: Any


def unpacked(data: bytes) -> Any:
    """
    Return a value of MessagePack, in which objects are :class:`Packed`.

    Raises:
        NotUnderstoodError: If it is none.

        MissingDependencyError: If ``ormsgpack`` is not installed.
    """
    try:
        import ormsgpack  # noqa: PLC0415 - other kinds are found without it
    except ImportError as error:
        raise MissingDependencyError("ormsgpack", "langgraph") from error
    try:
        return ormsgpack.unpackb(
            data, ext_hook=Packed, option=ormsgpack.OPT_NON_STR_KEYS
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise NotUnderstoodError(f"it is no MessagePack: {error}") from error


def read_value(kind: object, data: object) -> Any:
    """
    Return a value as a saver stores it, in which objects may be packed.

    Args:
        kind: The name of its form, in a column of its own.

        data: Its bytes.

    Raises:
        NotUnderstoodError: If the form is unknown, or not readable without running
            code (``pickle``) or a key (what is encrypted).
    """
    content = data if isinstance(data, bytes) else str(data or "").encode()
    match kind:
        case "null" | "empty":
            return None
        case "msgpack":
            return unpacked(content)
        case "json":
            return _of_json(content)
        case "bytes" | "bytearray":
            return content
        case "pickle":
            raise NotUnderstoodError("it is a pickle, which is not loaded")
        case str() if "+" in kind:
            raise NotUnderstoodError(f"it is encrypted ({kind})")
        case _:
            raise NotUnderstoodError(f"its form {kind!r} is unknown")


def _of_json(content: bytes) -> Any:
    try:
        return json.loads(content, object_hook=_revived)
    except (ValueError, RecursionError) as error:
        raise NotUnderstoodError(f"it is no JSON: {error}") from error


def _revived(members: dict[str, Any]) -> Any:
    """
    Return the object that an envelope of LangChain holds; other members as they are.
    """
    match members:
        case {"lc": 1 | 2, "type": "constructor", "id": [*names]}:
            payload = members.get("kwargs") or members.get("args")
            return Named(".".join(map(str, names)), payload)
        case _:
            return members


def plain(value: Any, depth: int = 0) -> Any:
    """
    Return a value as JSON; objects are ``{"object": name, "value": members}``.

    Bytes are ``{"bytes": text}`` in Base64, and what no version of LangGraph has, its
    number and its bytes.

    Raises:
        NotUnderstoodError: If it is nested too deeply.
    """
    if depth > _MAX_DEPTH:
        raise NotUnderstoodError("it is nested too deeply")
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case _ if is_list(value):
            return [plain(each, depth + 1) for each in value]
        case _ if is_object(value):
            return {str(k): plain(v, depth + 1) for k, v in value.items()}
        case _:
            return plain(_members_of(value), depth + 1)


def _members_of(value: Any) -> Any:
    """
    Return an object, or bytes, as members.
    """
    opened = value.opened() if isinstance(value, Packed) else value
    match opened:
        case bytes():
            return {"bytes": _base64(opened)}
        case Packed():
            return {"extension": opened.code, "bytes": _base64(opened.data)}
        case Named():
            return {"object": opened.name, "value": opened.payload}
        case _ if isinstance(value, Packed):
            # Some forms hold a value alone.
            return opened
        case _:
            return str(opened)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
