"""
Models for OpenAPI that are made of the values' classes.

They are never used to read or write anything: the values check what comes in, each
field by its own rule. Being made of the fields, they say of each that it is there.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from datetime import datetime
from types import GenericAlias, MappingProxyType, UnionType
from typing import (
    Annotated,
    Any,
    TypeAlias,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.config import JsonDict

from asm_async.values import fields
from asm_async.values.event import AnyEventType, EventType
from asm_async.values.fields import MAX_AMOUNT, MAX_COUNT, MAX_TEXT_LENGTH
from asm_async.values.json_values import JSONObject, JSONValue
from asm_async.values.state_item import MAX_KEY_LENGTH

Text: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00]*$")
]
KeyText: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=r"^[^\x00]*$")
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Time: TypeAlias = Annotated[
    datetime, WithJsonSchema({"type": "string", "format": "date-time"})
]
EventTypeText: TypeAlias = Annotated[
    str,
    WithJsonSchema(
        {
            "description": "A known type, or an application's own with a dot in it.",
            "anyOf": [
                {"type": "string", "enum": [member.value for member in EventType]},
                {
                    "type": "string",
                    "pattern": r"^(?!asm\.(?!events_retracted$))[^.\x00]*\.[^\x00]*$",
                    "maxLength": MAX_TEXT_LENGTH,
                },
            ],
        }
    ),
]
PositiveCount: TypeAlias = Annotated[int, Field(ge=1, le=MAX_COUNT)]
_SCHEMAS: Mapping[Any, Any] = MappingProxyType(
    {
        fields.Text: Text,
        fields.Tags: list[Text],
        fields.Count: Count,
        fields.PositiveCount: PositiveCount,
        fields.TotalCount: Annotated[int, Field(ge=0)],
        fields.Amount: Annotated[float, Field(ge=0, le=MAX_AMOUNT)],
        fields.TotalAmount: Annotated[float, Field(ge=0)],
        fields.UTCTime: Time,
        JSONObject: Annotated[
            dict[str, Any],
            WithJsonSchema({"type": "object", "additionalProperties": True}),
        ],
        JSONValue: Any,
        AnyEventType: EventTypeText,
    }
)


def model(
    name: str,
    description: str,
    example: Mapping[str, Any] | None = None,
    **members: Any,
) -> type[BaseModel]:
    """
    Make a model of these *members*, each a type and a default, that allows no others.
    """
    extra = None if example is None else cast("JsonDict", {"example": example})
    config = ConfigDict(extra="forbid", json_schema_extra=extra)
    return create_model(name, __config__=config, __doc__=description, **members)


def view(
    kind: type[attrs.AttrsInstance],
    views: Mapping[Any, Any] = MappingProxyType({}),
    example: Any = None,
    **members: Any,
) -> type[BaseModel]:
    """
    Describe a value as it is answered with: every field is there.

    Values within it are described by their *views*, and what its type does not say of a
    field by one of *members*.
    """
    described = {name: (type_, ...) for name, type_ in _types(kind, views).items()}
    return model(
        f"{kind.__name__}View",
        str(inspect.getdoc(kind)).partition("\n\n")[0],
        None if example is None else example.to_dict(),
        **(described | {name: (type_, ...) for name, type_ in members.items()}),
    )


def body(
    name: str, description: str, example: Any, given: Collection[str], **members: Any
) -> type[BaseModel]:
    """
    Describe a value as it is sent: what has a default may be left out.

    The fields that are *given* by the URL or the server are not part of it.
    """
    kind = cast("type[attrs.AttrsInstance]", type(example))
    types = _types(kind, {})
    described = {
        field.name: (types[field.name], _default(field))
        for field in attrs.fields(kind)
        if field.name not in given
    }
    return model(name, description, without(example, given), **(described | members))


def without(value: Any, names: Collection[str]) -> dict[str, Any]:
    """
    Return a value as plain JSON but for the fields of these *names*.
    """
    return {
        name: member for name, member in value.to_dict().items() if name not in names
    }


def _types(kind: type[attrs.AttrsInstance], views: Mapping[Any, Any]) -> dict[str, Any]:
    hints, types = get_type_hints(kind, include_extras=True), {**_SCHEMAS, **views}
    return {
        field.name: _described(hints[field.name], types) for field in attrs.fields(kind)
    }


def _described(hint: Any, types: Mapping[Any, Any]) -> Any:
    if hint in types:
        return types[hint]
    origin = get_origin(hint)
    arguments = [_described(argument, types) for argument in get_args(hint)]
    if origin in (Union, UnionType):
        return Union[tuple(arguments)]  # noqa: UP007 - of arguments known at run time
    if origin is tuple:
        return GenericAlias(list, arguments[0])
    if origin is Mapping:
        # The members of JSON's objects have texts as names.
        return GenericAlias(dict, (str, arguments[1]))
    return hint


def _default(field: attrs.Attribute[Any]) -> Any:
    if field.default is attrs.NOTHING:
        return ...
    factory = getattr(field.default, "factory", None)
    return field.default if factory is None else factory()


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """
    Return a model's JSON Schema without references, to be put anywhere.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return cast("dict[str, Any]", _inlined(schema, definitions))


def _inlined(schema: object, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [
            _inlined(member, definitions) for member in cast("list[object]", schema)
        ]
    if not isinstance(schema, dict):
        return schema
    members = dict(cast("dict[str, object]", schema))
    if "$ref" in members:
        # What stands beside a reference, such as a default, is said of this place.
        name = str(members.pop("$ref")).rpartition("/")[2]
        members = definitions[name] | members
    return {name: _inlined(member, definitions) for name, member in members.items()}
