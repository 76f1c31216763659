"""
What bodies and answers look like, as OpenAPI describes them: derived from the values.

The values check what comes in, each field by its own rule. The models here are never
used to read or write anything: they are made of the values' fields, so that a field
that is added to a value is described as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from types import GenericAlias, MappingProxyType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.config import JsonDict

from asm_async.integrations.fastapi.schema_types import (
    Amount,
    Count,
    EventTypeText,
    JSONObjectSchema,
    Text,
    Time,
)
from asm_async.values.event import Event, EventType
from asm_async.values.fields import MAX_COUNT
from asm_async.values.json_values import JSONObject
from asm_async.values.maintenance import HealthIssue
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.summaries import (
    CostSummary,
    CostTotals,
    SessionStats,
    TokenTotals,
    UsageSummary,
    UsageTotals,
)

__all__ = [
    "CostSummaryView",
    "EventBatchBody",
    "EventBody",
    "EventCount",
    "EventList",
    "EventPage",
    "EventView",
    "FlushBody",
    "FlushView",
    "HealthReport",
    "HealthView",
    "NewRunBody",
    "NewSessionBody",
    "RunBody",
    "RunPage",
    "RunView",
    "SessionBody",
    "SessionExportView",
    "SessionPage",
    "SessionStatsView",
    "SessionView",
    "UsageSummaryView",
    "inlined_schema",
]

_STORED: Mapping[Any, Any] = MappingProxyType(
    {
        str: Text,
        int: Count,
        float: Amount,
        datetime: Time,
        EventType | str: EventTypeText,
        JSONObject: JSONObjectSchema,
    }
)

# What is added up may exceed the bounds of what is stored.
_SUMMED: Mapping[Any, Any] = MappingProxyType(
    {
        **_STORED,
        int: Annotated[int, Field(ge=0)],
        float: Annotated[float, Field(ge=0)],
    }
)

_TokenUsage = Annotated[
    dict[str, Any],
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                field.name: {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
                for field in attrs.fields(TokenTotals)
            },
            "additionalProperties": True,
        }
    ),
]


def _model(
    name: str, description: str, example: Mapping[str, Any] | None = None, **fields: Any
) -> type[BaseModel]:
    extra = None if example is None else cast("JsonDict", {"example": example})
    config = ConfigDict(extra="forbid", json_schema_extra=extra)
    return create_model(name, __config__=config, __doc__=description, **fields)


def _view(
    kind: type[attrs.AttrsInstance],
    types: Mapping[Any, Any] = _STORED,
    example: Any = None,
    **fields: Any,
) -> type[BaseModel]:
    """
    Describe a value as it is answered with: every field is there.

    What *types* has for the type of a field describes it, unless *fields* has something
    for this field.
    """
    described = {name: (type_, ...) for name, type_ in _types(kind, types).items()}
    return _model(
        f"{kind.__name__}View",
        str(inspect.getdoc(kind)).partition("\n\n")[0],
        None if example is None else example.to_dict(),
        **(described | {name: (type_, ...) for name, type_ in fields.items()}),
    )


def _body(
    name: str, description: str, example: Any, given: Collection[str], **fields: Any
) -> type[BaseModel]:
    """
    Describe a value as it is sent: what has a default may be left out.

    The fields that are *given* by the URL or the server are not part of it.
    """
    kind = cast("type[attrs.AttrsInstance]", type(example))
    types = _types(kind, _STORED)
    described = {
        field.name: (types[field.name], _default(field))
        for field in attrs.fields(kind)
        if field.name not in given
    }
    return _model(name, description, _without(example, given), **(described | fields))


def _types(kind: type[attrs.AttrsInstance], types: Mapping[Any, Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        field.name: _described(hints[field.name], types) for field in attrs.fields(kind)
    }


def _described(hint: Any, types: Mapping[Any, Any]) -> Any:
    """
    Return what describes a field of this type.
    """
    if hint in types:
        return types[hint]
    arguments = [_described(argument, types) for argument in get_args(hint)]
    origin = get_origin(hint)
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


def _page(name: str, item: type[BaseModel]) -> type[BaseModel]:
    return _model(
        f"{name.title()}Page",
        f"A page of {name}s.",
        items=(GenericAlias(list, item), ...),
        cursor=(str | None, ...),
        total_count=(Count | None, ...),
    )


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


_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_SESSION = Session(
    id="ses_019b7e20a5c07d4f8a1b2c3d4e5f6070",
    agent_id="assistant",
    status=SessionStatus.ACTIVE,
    created_at=_NOON,
    updated_at=_NOON,
    metadata={"topic": "travel"},
    tags=("demo",),
    revision=1,
)
_RUN = Run(
    id="run_019b7e20a5c07d4f8a1b2c3d4e5f6072",
    session_id=_SESSION.id,
    status=RunStatus.COMPLETED,
    started_at=_NOON,
    ended_at=_NOON,
    input="What is 6 times 7?",
    output="42",
    turn_count=1,
    token_usage={"input_tokens": 24, "output_tokens": 3},
    provider="example",
    provider_metadata={"model": "scripted-1"},
    cost_usd=0.0001,
    revision=2,
)
_EVENT = attrs.evolve(
    Event.new(
        id="evt_019b7e20a5c07d4f8a1b2c3d4e5f6071",
        type=EventType.MESSAGE_SENT,
        timestamp=_NOON,
        session_id=_SESSION.id,
        data={"content": "What is 6 times 7?"},
    ),
    sequence_number=1,
)

SessionView = _view(Session, example=_SESSION)
RunView = _view(Run, example=_RUN, token_usage=_TokenUsage)
EventView = _view(Event, example=_EVENT)

_OF_STORE = frozenset({"id", "revision", "deleted_at"})
NewSessionBody = _body(
    "NewSessionBody",
    "A session to begin; its id and times are given by the server.",
    _SESSION,
    {*_OF_STORE, "created_at", "updated_at"},
    status=(SessionStatus, SessionStatus.PENDING),
)
SessionBody = _body(
    "SessionBody",
    "A session to save whole.\n\nWhat was answered may be sent back as it is: the *id*"
    " of the URL, a *revision* of any value, and a *deleted_at* of null are accepted.",
    _SESSION,
    _OF_STORE,
)
_USAGE: tuple[Any, Any] = (_TokenUsage, {})
NewRunBody = _body(
    "NewRunBody",
    "A run to begin; its id and time are given by the server.",
    attrs.evolve(_RUN, status=RunStatus.PENDING, ended_at=None, output=None),
    {"id", "session_id", "started_at", "ended_at", "revision"},
    status=(RunStatus, RunStatus.PENDING),
    token_usage=_USAGE,
)
RunBody = _body(
    "RunBody",
    "A run to save whole.\n\nWhat was answered may be sent back as it is.",
    _RUN,
    {"id", "session_id", "revision"},
    token_usage=_USAGE,
)
_OF_LOG = frozenset({"session_id", "sequence_number"})
EventBody = _body(
    "EventBody",
    "An event to append. Its id makes it safe to append it again unchanged.",
    _EVENT,
    _OF_LOG,
)
EventBatchBody = _model(
    "EventBatchBody",
    "Events to append together, oldest first.",
    {"events": [_without(_EVENT, _OF_LOG)]},
    events=(GenericAlias(list, EventBody), ...),
)
FlushBody = _model(
    "FlushBody",
    "A session, one of its runs and that run's events, to be stored all or nothing.",
    {
        "session": _without(_SESSION, _OF_STORE),
        "run": _without(_RUN, {"session_id", "revision"}),
        "events": [_without(_EVENT, _OF_LOG)],
    },
    session=(SessionBody, ...),
    run=(
        _body(
            "FlushedRunBody",
            "A run to save whole.",
            _RUN,
            {"session_id", "revision"},
            token_usage=_USAGE,
        ),
        ...,
    ),
    events=(GenericAlias(list, EventBody), []),
)

EventList = _model(
    "EventList",
    "Events of one session, in order.",
    items=(GenericAlias(list, EventView), ...),
)
FlushView = _model(
    "FlushView",
    "What a flush has stored.",
    session=(SessionView, ...),
    run=(RunView, ...),
    events=(GenericAlias(list, EventView), ...),
)
SessionPage = _page("session", SessionView)
RunPage = _page("run", RunView)
EventPage = _page("event", EventView)
EventCount = _model(
    "EventCount", "How many events there are.", {"count": 42}, count=(Count, ...)
)

SessionExportView = _view(
    SessionExport,
    {**_STORED, Session: SessionView, Run: RunView, Event: EventView},
)
_TOTALS: Mapping[Any, Any] = {
    kind: _view(kind, _SUMMED) for kind in (TokenTotals, UsageTotals, CostTotals)
}
SessionStatsView = _view(SessionStats, {**_SUMMED, **_TOTALS})
UsageSummaryView = _view(UsageSummary, {**_SUMMED, **_TOTALS})
CostSummaryView = _view(
    CostSummary,
    {**_SUMMED, **_TOTALS},
    unmapped_runs=Annotated[int, Field(ge=0, description="Runs of unknown cost.")],
)

HealthView = _model("HealthView", "The database answers.", status=(Literal["ok"], ...))
HealthReport = _model(
    "HealthReport",
    "What is wrong with the database; nothing if it is sound.",
    issues=(GenericAlias(list, _view(HealthIssue, message=str)), ...),
)
