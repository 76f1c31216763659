"""
Which fields of a value are encrypted, in one text, and which that text is bound to.

``docs/reference/encryption-format.md`` specifies it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeAlias, assert_never, cast

import attrs

from asm_async.coded import CodedValue
from asm_async.encryption.seals import ERASED, SEALED
from asm_async.values.artifact import Artifact
from asm_async.values.event import Event
from asm_async.values.json_outline import PIECE_LENGTH
from asm_async.values.json_values import (
    EncodedJSON,
    JSONObject,
    decode_json,
    encode_json,
)
from asm_async.values.run import Run
from asm_async.values.session import Session
from asm_async.values.state_item import StateItem

Members: TypeAlias = list[Any]

_BEGINNING = f'{{"{SEALED}":"'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def place_of(value: CodedValue, session_id: str | None, scope: str = "") -> bytes:
    """
    Return what a value's text is bound to: all by which it is found, counted and read.

    Args:
        value: The value, as it is stored.

        session_id: The session that it was written to.

        scope: The scope that an item was written to.
    """
    fields: list[Any]
    match value:
        case Event():
            fields = [
                "event",
                session_id,
                value.id,
                value.type,
                _time(value.timestamp),
                value.run_id,
                value.schema_version,
                value.provider,
                value.correlation_id,
            ]
        case Session():
            fields = [
                "session",
                value.id,
                value.tenant_id,
                value.user_id,
                value.agent_id,
                value.parent_session_id,
                value.status,
                value.tags,
                _time(value.created_at),
                _time(value.updated_at),
            ]
        case Run():
            fields = [
                "run",
                session_id,
                value.id,
                value.status,
                value.turn_count,
                value.token_usage,
                _time(value.started_at),
                None if value.ended_at is None else _time(value.ended_at),
                value.provider,
                value.model,
                value.cost_usd,
            ]
        case Artifact():
            # To register a content again, under another id and at another time, is to
            # repeat it: neither may make a difference.
            fields = [
                "artifact",
                session_id,
                value.run_id,
                value.key,
                value.content_type,
                value.byte_size,
                value.checksum_sha256,
            ]
        case StateItem():
            fields = ["item", session_id, scope, value.key]
        case _:
            assert_never(value)
    return encode_json(fields).encode()


def members_of(value: CodedValue) -> Members:
    """
    Return the fields of a value that are encrypted together.
    """
    return [getattr(value, name) for name in _FIELDS[type(value)][1:]]


def sealed_text_of(value: CodedValue) -> object:
    """
    Return what stands in the place of a value's encrypted fields; None for nothing.
    """
    holder, *others = _FIELDS[type(value)]
    held = sealed_object(getattr(value, holder))
    if not isinstance(held, dict) or len(cast("JSONObject", held)) != 1:
        return None
    is_alone = all(
        _is_empty(value, name, getattr(value, name))
        for name in others
        if name != holder
    )
    return cast("JSONObject", held).get(SEALED) if is_alone else None


def sealed_object(held: Any) -> Any:
    """
    Return what holds an encrypted text, decoded if it is text itself.
    """
    if type(held) is not EncodedJSON:
        return held
    # Nothing else is decoded, which may be anything, and take long.
    return decode_json(held) if held.startswith(_BEGINNING) else None


def is_text(value: CodedValue) -> bool:
    """
    Return whether a stored value was read with the text of its JSON in its place.
    """
    return type(getattr(value, _FIELDS[type(value)][0])) is EncodedJSON


def is_long_text(value: CodedValue) -> bool:
    """
    Return whether it was, and takes long to be decrypted.
    """
    texts = [getattr(value, _FIELDS[type(value)][0])]
    if isinstance(value, Session):
        texts.append(value.context)
    return any(type(each) is EncodedJSON and len(each) > PIECE_LENGTH for each in texts)


def with_text(value: CodedValue, text: str) -> CodedValue:
    """
    Return a value as it is stored, with an encrypted *text* in place of its fields.
    """
    return _with_alone(value, {SEALED: text})


def as_erased(value: CodedValue) -> CodedValue:
    """
    Return what readers are shown of a value whose key was dropped.
    """
    return _with_alone(value, {ERASED: True})


def with_members(value: CodedValue, members: Members) -> CodedValue:
    """
    Return a value as callers see it, with its decrypted fields.
    """
    if isinstance(value, Event):
        data, metadata = members
        return value.with_json(data, metadata)
    names = _FIELDS[type(value)][1:]
    return attrs.evolve(value, **dict(zip(names, members, strict=True)))


def _with_alone(value: CodedValue, held: JSONObject) -> CodedValue:
    if isinstance(value, Event):
        return value.with_json(held, {})
    holder, *others = _FIELDS[type(value)]
    empty = {name: _EMPTY[name](value) for name in others}
    changed: CodedValue = attrs.evolve(value, **{**empty, holder: held})
    return changed


def _is_empty(value: CodedValue, name: str, stored: object) -> bool:
    empty = _EMPTY[name](value)
    if type(stored) is EncodedJSON:
        return stored == encode_json(empty)
    return bool(stored == empty)


def _model_alone(value: Any) -> JSONObject:
    # By the model usage is added up, so that it stays readable.
    return {} if value.model is None else {"model": value.model}


# The field that holds the encrypted text, then those that are encrypted in it.
_FIELDS: Mapping[type[CodedValue], tuple[str, ...]] = MappingProxyType(
    {
        Event: ("data", "data", "metadata"),
        Session: ("metadata", "metadata"),
        Run: (
            "metadata",
            "metadata",
            "input",
            "output",
            "error",
            "provider_metadata",
        ),
        Artifact: ("metadata", "metadata"),
        StateItem: ("data", "data"),
    }
)

_EMPTY: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "data": lambda _: {},
        "metadata": lambda _: {},
        "input": lambda _: None,
        "output": lambda _: None,
        "error": lambda _: None,
        "provider_metadata": _model_alone,
    }
)


def _time(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND
