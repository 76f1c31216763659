"""
Values that have a form in plain JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime
from enum import StrEnum
from typing import Any, Self, cast

import attrs

from asm_async.errors import ValidationError
from asm_async.values import fields
from asm_async.values.json_values import EncodedJSON, decode_json, normalise_json
from asm_async.values.not_json import with_article
from asm_async.values.value import Value, schema_of


class PlainValue(Value):
    """
    A value whose fields are texts, numbers, times, enumerations and JSON.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """
        Return the fields as plain JSON, which :meth:`from_dict` takes.
        """
        return plain_fields(self, schema_of(type(self)).rules)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Make a value of what :meth:`to_dict` returned.

        An optional field that is missing takes its default.

        Raises:
            ValidationError: Naming the field that is wrong, missing or unknown.
        """
        schema = schema_of(cls)
        given = dict(check_members(data, schema.rules, schema.required))
        for name in schema.times & given.keys():
            given[name] = _time_of(given[name], name)
        return cls(**given)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """
        Let pydantic, and so FastAPI, take and return values by their form in JSON.
        """
        return _pydantic_schema(cls)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: object, handler: object
    ) -> dict[str, Any]:
        """
        Describe the form in JSON by the names of its members.
        """
        schema = schema_of(cls)
        return {
            "title": cls.__name__,
            "type": "object",
            "properties": {name: {} for name in schema.rules},
            "required": sorted(schema.required),
            "additionalProperties": False,
        }


def _pydantic_schema(kind: type[PlainValue]) -> Any:
    # Who does not use pydantic need not have it.
    from pydantic_core import core_schema  # noqa: PLC0415 - said above

    def validate(value: object) -> PlainValue:
        if isinstance(value, kind):
            return value
        return kind.from_dict(cast("Mapping[str, Any]", value))

    return core_schema.no_info_plain_validator_function(
        validate,
        serialization=core_schema.plain_serializer_function_ser_schema(kind.to_dict),
    )


def plain_fields(instance: object, names: Iterable[str]) -> dict[str, Any]:
    """
    Return fields of *instance* as plain JSON: times as ISO 8601 text, tuples as lists.
    """
    return {name: _plain(getattr(instance, name), name) for name in names}


def plain_json(value: object) -> Any:
    """
    Return a summary or a report, or what it is made of, as plain JSON.
    """
    if attrs.has(type(value)):
        value = attrs.asdict(cast("attrs.AttrsInstance", value), recurse=False)
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return {plain_json(key): plain_json(member) for key, member in members.items()}
    if isinstance(value, tuple | list):
        return [plain_json(member) for member in cast("list[object]", value)]
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return value.value if isinstance(value, StrEnum) else value


def check_members(
    data: object, known: Collection[str], required: AbstractSet[str]
) -> Mapping[str, Any]:
    """
    Accept a JSON object that has all *required* members, and none but *known* ones.
    """
    if not isinstance(data, Mapping):
        kind = with_article(type(data).__name__)
        raise ValidationError(f"expected a JSON object, got {kind}")
    members = cast("Mapping[str, Any]", data)
    if missing := sorted(required - members.keys()):
        raise ValidationError(f"{missing[0]}: this required field is missing")
    if unknown := [name for name in members if name not in known]:
        shown = fields.shown(unknown[0])
        raise ValidationError(f"{shown}: there is no field of this name")
    return members


def _time_of(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise fields.unexpected(name, "ISO 8601 text", value)
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValidationError(
            f"{name}: {fields.shown(value)} is not an ISO 8601 time"
        ) from None


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, PlainValue):
        return value.to_dict()
    if isinstance(value, tuple):
        members = cast("tuple[object, ...]", value)
        return [_plain(member, name) for member in members]
    if type(value) is EncodedJSON:
        return decode_json(value)
    return normalise_json(value, name)
