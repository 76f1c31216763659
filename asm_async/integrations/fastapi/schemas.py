"""
What bodies and answers look like, as OpenAPI describes them: derived from the values.

A field that is added to a value is described without another line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import GenericAlias
from typing import Annotated, Any, Literal

import attrs
from pydantic import BaseModel, Field, WithJsonSchema

from asm_async.integrations.fastapi.schema_models import (
    Count,
    KeyText,
    PositiveCount,
    Text,
    body,
    model,
    view,
    without,
)
from asm_async.values.artifact import Artifact, Checksum, Reference
from asm_async.values.event import Event, EventType
from asm_async.values.fields import MAX_COUNT
from asm_async.values.maintenance import HealthIssue
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.session_export import SessionExport
from asm_async.values.state_item import (
    ItemKey,
    OpaqueBytes,
    StateItem,
)
from asm_async.values.summaries import (
    CostGroup,
    CostSummary,
    CostTotals,
    SessionStats,
    TokenTotals,
    UsageGroup,
    UsageSummary,
    UsageTotals,
)
from asm_async.values.text_match import Snippet, TextMatch

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

_Checksum = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_Base64 = Annotated[
    str, WithJsonSchema({"type": "string", "contentEncoding": "base64"})
]

_Marks = Annotated[
    list[list[int]],
    Field(description="Where the words that were found begin and end in the text."),
]

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
    last_activity_at=_NOON,
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
        data={"content": "What is 6 times 7?", "role": "user"},
    ),
    sequence_number=1,
)

_ITEM = StateItem(
    scope=_SESSION.id,
    key="summary",
    data={"text": "They asked for a product."},
    session_id=_SESSION.id,
    revision=7,
    updated_at=_NOON,
)

SessionView: type[BaseModel] = view(Session, example=_SESSION)
RunView: type[BaseModel] = view(Run, example=_RUN, token_usage=_TokenUsage)
EventView: type[BaseModel] = view(Event, example=_EVENT)
StateItemView: type[BaseModel] = view(
    StateItem, {ItemKey: KeyText, OpaqueBytes: _Base64}, example=_ITEM
)

_OF_STORE = frozenset({"id", "revision", "deleted_at", "last_activity_at"})
NewSessionBody: type[BaseModel] = body(
    "NewSessionBody",
    "A session to begin; its id and times are given by the server.",
    _SESSION,
    {*_OF_STORE, "created_at", "updated_at"},
    status=(SessionStatus, SessionStatus.PENDING),
)
SessionBody: type[BaseModel] = body(
    "SessionBody",
    "A session to save whole.\n\nWhat was answered may be sent back as it is: the *id*"
    " of the URL, a *revision* and a *last_activity_at* of any value, and a"
    " *deleted_at* of null are accepted.",
    _SESSION,
    _OF_STORE,
)
_USAGE: tuple[Any, Any] = (_TokenUsage, {})
NewRunBody: type[BaseModel] = body(
    "NewRunBody",
    "A run to begin; its id and time are given by the server.",
    attrs.evolve(_RUN, status=RunStatus.PENDING, ended_at=None, output=None),
    {"id", "session_id", "started_at", "ended_at", "revision"},
    status=(RunStatus, RunStatus.PENDING),
    token_usage=_USAGE,
)
RunBody: type[BaseModel] = body(
    "RunBody",
    "A run to save whole.\n\nWhat was answered may be sent back as it is.",
    _RUN,
    {"id", "session_id", "revision"},
    token_usage=_USAGE,
)
CopyBody: type[BaseModel] = model(
    "CopyBody",
    "A session to make as a copy of another one.\n\nIt has all events up to *through*."
    " The same *operation_id* again is the same copy, and is made once.",
    {"session": without(_SESSION, _OF_STORE - {"id"}), "through": 1},
    session=(
        body(
            "CopiedSessionBody",
            "The copy, under an id that never was a session's.",
            _SESSION,
            _OF_STORE - {"id"},
        ),
        ...,
    ),
    through=(Count | None, None),
    operation_id=(Text | None, None),
)
StateItemBody: type[BaseModel] = body(
    "StateItemBody",
    "A state item to save whole.\n\nWhat was answered may be sent back as it is.",
    _ITEM,
    {"scope", "key", "session_id", "revision", "updated_at"},
    content=(_Base64 | None, None),
)
_OF_LOG = frozenset({"session_id", "sequence_number"})
EventBody: type[BaseModel] = body(
    "EventBody",
    "An event to append. Its id makes it safe to append it again unchanged.",
    _EVENT,
    _OF_LOG,
)
EventBatchBody: type[BaseModel] = model(
    "EventBatchBody",
    "Events to append together, oldest first.",
    {"events": [without(_EVENT, _OF_LOG)]},
    events=(GenericAlias(list, EventBody), ...),
)
RetractionBody: type[BaseModel] = model(
    "RetractionBody",
    "Events to hide, and what to append in their place.\n\nThe *operation_id* makes it"
    " safe to send it again unchanged.",
    {"first": 1, "last": 1, "replacement": [without(_EVENT, _OF_LOG)]},
    first=(PositiveCount, ...),
    last=(PositiveCount, ...),
    replacement=(GenericAlias(list, EventBody), []),
    operation_id=(Text | None, None),
)
_CommittedRunBody: type[BaseModel] = body(
    "CommittedRunBody",
    "A run to save whole.",
    _RUN,
    {"session_id", "revision"},
    token_usage=_USAGE,
)
CommitBody: type[BaseModel] = model(
    "CommitBody",
    "A session, runs of it and events, to be stored all or nothing.\n\nWhat is left out"
    " is not touched. *create_session* is saved if there is no session of this id."
    " *expected_revisions* are those of runs, by id. The same *operation_id* again is"
    " the same commit, and is done once.",
    {
        "session": without(_SESSION, _OF_STORE),
        "runs": [without(_RUN, {"session_id", "revision"})],
        "events": [without(_EVENT, _OF_LOG)],
    },
    session=(SessionBody | None, None),
    create_session=(SessionBody | None, None),
    runs=(GenericAlias(list, _CommittedRunBody), []),
    events=(GenericAlias(list, EventBody), []),
    expected_revisions=(GenericAlias(dict, (str, Count)), {}),
    operation_id=(str | None, None),
)

EventList: type[BaseModel] = model(
    "EventList",
    "Events of one session, in order.",
    items=(GenericAlias(list, EventView), ...),
)
CommittedView: type[BaseModel] = model(
    "CommittedView",
    "What a commit has stored.",
    session=(SessionView | None, ...),
    runs=(GenericAlias(list, RunView), ...),
    events=(GenericAlias(list, EventView), ...),
)


def _page(name: str, item: type[BaseModel]) -> type[BaseModel]:
    return model(
        f"{name.title().replace(' ', '')}Page",
        f"A page of {name}s.",
        items=(GenericAlias(list, item), ...),
        cursor=(str | None, ...),
        total_count=(Count | None, ...),
    )


SessionPage: type[BaseModel] = _page("session", SessionView)
RunPage: type[BaseModel] = _page("run", RunView)
EventPage: type[BaseModel] = _page("event", EventView)
TextPage: type[BaseModel] = _page(
    "text",
    view(
        TextMatch,
        {Session: SessionView, Event: EventView, Snippet: view(Snippet, marks=_Marks)},
    ),
)
StateItemPage: type[BaseModel] = _page("state item", StateItemView)
EventCount: type[BaseModel] = model(
    "EventCount", "How many events there are.", {"count": 42}, count=(Count, ...)
)

SessionExportView: type[BaseModel] = view(
    SessionExport,
    {
        Session: SessionView,
        Run: RunView,
        Artifact: view(Artifact, {Checksum: _Checksum, Reference: str}),
        StateItem: StateItemView,
        Event: EventView,
    },
)
_TOTALS: Mapping[Any, Any] = {
    kind: view(kind)
    for kind in (TokenTotals, UsageTotals, UsageGroup, CostTotals, CostGroup)
}
SessionStatsView: type[BaseModel] = view(SessionStats, _TOTALS)
UsageSummaryView: type[BaseModel] = view(UsageSummary, _TOTALS)
CostSummaryView: type[BaseModel] = view(
    CostSummary,
    _TOTALS,
    unmapped_runs=Annotated[Count, Field(description="Runs of unknown cost.")],
)

HealthView: type[BaseModel] = model(
    "HealthView", "The database answers.", status=(Literal["ok"], ...)
)
HealthReport: type[BaseModel] = model(
    "HealthReport",
    "What is wrong with the database; nothing if it is sound.",
    issues=(GenericAlias(list, view(HealthIssue)), ...),
)
