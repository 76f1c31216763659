"""
The types of fields, as OpenAPI describes them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import Field, WithJsonSchema

from asm_async.values.event import EventType
from asm_async.values.fields import MAX_AMOUNT, MAX_COUNT, MAX_TEXT_LENGTH

__all__ = ["Amount", "Count", "EventTypeText", "JSONObjectSchema", "Text", "Time"]

Text: TypeAlias = Annotated[
    str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00]*$")
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Amount: TypeAlias = Annotated[float, Field(ge=0, le=MAX_AMOUNT)]
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
JSONObjectSchema: TypeAlias = Annotated[
    dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})
]
