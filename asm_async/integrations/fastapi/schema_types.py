"""
What fields look like, in the words of OpenAPI.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from asm_async.values.event import EventType
from asm_async.values.fields import MAX_AMOUNT, MAX_COUNT, MAX_TEXT_LENGTH

__all__ = [
    "Amount",
    "Count",
    "EventTypeText",
    "JSONObjectSchema",
    "RunStatusText",
    "SessionStatusText",
    "Tags",
    "Text",
    "Time",
    "TokenUsage",
    "inlined_schema",
    "with_example",
]

_NO_NUL = r"^[^\x00]*$"

Text: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=_NO_NUL)
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
                    "pattern": r"^(?!asm\.)[^.\x00]*\.[^\x00]*$",
                    "maxLength": MAX_TEXT_LENGTH,
                },
            ],
        }
    ),
]
SessionStatusText: TypeAlias = Literal[
    "pending", "active", "paused", "completed", "failed", "cancelled"
]
RunStatusText: TypeAlias = Literal[
    "pending", "running", "completed", "failed", "cancelled", "timeout"
]
JSONObjectSchema: TypeAlias = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})
]
TokenUsage: TypeAlias = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                name: {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
                for name in ("input_tokens", "output_tokens", "total_tokens")
            },
            "additionalProperties": True,
        }
    ),
]
Amount: TypeAlias = Annotated[float, Field(ge=0, le=MAX_AMOUNT)]
Tags: TypeAlias = list[Text]


def with_example(**example: Any) -> ConfigDict:
    """
    Configure a model that allows no other fields and shows an example.
    """
    return ConfigDict(
        extra="forbid", json_schema_extra=cast("JsonDict", {"example": example})
    )


def inlined_schema(model: type[BaseModel]) -> dict[str, Any]:
    """
    Give a model's JSON Schema without references, to be put anywhere.
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
    members = cast("dict[str, object]", schema)
    if "$ref" in members:
        name = str(members["$ref"]).rpartition("/")[2]
        return _inlined(definitions[name], definitions)
    return {name: _inlined(member, definitions) for name, member in members.items()}
