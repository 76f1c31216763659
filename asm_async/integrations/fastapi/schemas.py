"""
What bodies and answers look like, in the words of OpenAPI.

The values check what comes in, each field by its own rule; these models only describe
it. A test holds them against the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from asm_async.integrations.fastapi.schema_types import (
    Amount,
    Count,
    EventTypeText,
    JSONObjectSchema,
    RunStatusText,
    SessionStatusText,
    Tags,
    Text,
    Time,
    TokenUsage,
    with_example,
)

__all__ = [
    "EventBatchBody",
    "EventBody",
    "EventCount",
    "EventList",
    "EventPage",
    "EventView",
    "FlushBody",
    "FlushView",
    "FlushedRunBody",
    "NewRunBody",
    "NewSessionBody",
    "RunBody",
    "RunPage",
    "RunView",
    "SessionBody",
    "SessionPage",
    "SessionView",
]

_TIME = "2026-01-02T12:00:00.000000+00:00"
_SESSION: Mapping[str, Any] = {
    "agent_id": "assistant",
    "metadata": {"topic": "travel"},
    "tags": ["demo"],
}
_RUN: Mapping[str, Any] = {
    "input": "What is 6 times 7?",
    "provider": "example",
    "provider_metadata": {"model": "scripted-1"},
}
_EVENT: Mapping[str, Any] = {
    "id": "evt_019b7e20a5c07d4f8a1b2c3d4e5f6071",
    "type": "message_sent",
    "timestamp": _TIME,
    "data": {"content": "What is 6 times 7?"},
}


class NewSessionBody(BaseModel):
    """
    A session to begin; its id and times are given by the server.
    """

    model_config: ClassVar[ConfigDict] = with_example(**_SESSION)

    agent_id: Text
    status: SessionStatusText = "pending"
    tenant_id: Text | None = None
    parent_session_id: Text | None = None
    metadata: JSONObjectSchema = {}
    context: JSONObjectSchema = {}
    tags: Tags = []


class SessionBody(BaseModel):
    """
    A session to save whole.

    What was given may be sent back as it is: the *id* of the URL, a *revision*, which
    counts for nothing, and a *deleted_at* of null are let pass.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        **_SESSION, status="active", created_at=_TIME, updated_at=_TIME
    )

    agent_id: Text
    status: SessionStatusText
    created_at: Time
    updated_at: Time
    tenant_id: Text | None = None
    parent_session_id: Text | None = None
    metadata: JSONObjectSchema = {}
    context: JSONObjectSchema = {}
    tags: Tags = []


class SessionView(BaseModel):
    """
    A session as it is stored.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        id="ses_019b7e20a5c07d4f8a1b2c3d4e5f6070",
        tenant_id=None,
        status="active",
        parent_session_id=None,
        context={},
        created_at=_TIME,
        updated_at=_TIME,
        deleted_at=None,
        revision=1,
        **_SESSION,
    )

    id: Text
    tenant_id: Text | None
    agent_id: Text
    status: SessionStatusText
    parent_session_id: Text | None
    metadata: JSONObjectSchema
    context: JSONObjectSchema
    tags: Tags
    created_at: Time
    updated_at: Time
    deleted_at: Time | None
    revision: Count


class NewRunBody(BaseModel):
    """
    A run to begin; its id and time are given by the server.
    """

    model_config: ClassVar[ConfigDict] = with_example(**_RUN)

    status: RunStatusText = "pending"
    input: Any = None
    output: Any = None
    error: JSONObjectSchema | None = None
    metadata: JSONObjectSchema = {}
    turn_count: Count = 0
    token_usage: TokenUsage = {}
    provider: Text | None = None
    provider_metadata: JSONObjectSchema = {}
    cost_usd: Amount | None = None


class RunBody(BaseModel):
    """
    A run to save whole.

    What was given may be sent back as it is.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        **_RUN, status="running", started_at=_TIME
    )

    status: RunStatusText
    started_at: Time
    ended_at: Time | None = None
    input: Any = None
    output: Any = None
    error: JSONObjectSchema | None = None
    metadata: JSONObjectSchema = {}
    turn_count: Count = 0
    token_usage: TokenUsage = {}
    provider: Text | None = None
    provider_metadata: JSONObjectSchema = {}
    cost_usd: Amount | None = None


class RunView(BaseModel):
    """
    A run as it is stored.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        id="run_019b7e20a5c07d4f8a1b2c3d4e5f6072",
        session_id="ses_019b7e20a5c07d4f8a1b2c3d4e5f6070",
        status="completed",
        output="42",
        error=None,
        metadata={},
        turn_count=1,
        token_usage={"input_tokens": 24, "output_tokens": 3},
        started_at=_TIME,
        ended_at=_TIME,
        cost_usd=0.0001,
        revision=2,
        **_RUN,
    )

    id: Text
    session_id: Text
    status: RunStatusText
    input: Any
    output: Any
    error: JSONObjectSchema | None
    metadata: JSONObjectSchema
    turn_count: Count
    token_usage: TokenUsage
    started_at: Time
    ended_at: Time | None
    provider: Text | None
    provider_metadata: JSONObjectSchema
    cost_usd: Amount | None
    revision: Count


class EventBody(BaseModel):
    """
    An event to append. Its id makes appending it again safe, if all else is the same.
    """

    model_config: ClassVar[ConfigDict] = with_example(**_EVENT)

    id: Text
    type: EventTypeText
    timestamp: Time
    run_id: Text | None = None
    data: JSONObjectSchema = {}
    metadata: JSONObjectSchema = {}
    schema_version: Count = 1
    provider: Text | None = None
    correlation_id: Text | None = None


class EventView(BaseModel):
    """
    An event as it is stored.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        session_id="ses_019b7e20a5c07d4f8a1b2c3d4e5f6070",
        run_id=None,
        sequence_number=1,
        metadata={},
        schema_version=1,
        provider=None,
        correlation_id=None,
        **_EVENT,
    )

    id: Text
    type: EventTypeText
    timestamp: Time
    session_id: Text
    run_id: Text | None
    sequence_number: Count
    data: JSONObjectSchema
    metadata: JSONObjectSchema
    schema_version: Count
    provider: Text | None
    correlation_id: Text | None


class EventBatchBody(BaseModel):
    """
    Events to append together, oldest first.
    """

    model_config: ClassVar[ConfigDict] = with_example(events=[dict(_EVENT)])

    events: list[EventBody]


class FlushBody(BaseModel):
    """
    A session, one of its runs and that run's events, to be stored all or nothing.
    """

    model_config: ClassVar[ConfigDict] = with_example(
        session={**_SESSION, "status": "active", "created_at": _TIME}
        | {"updated_at": _TIME},
        run={**_RUN, "id": "run_1", "status": "completed", "started_at": _TIME},
        events=[dict(_EVENT)],
    )

    session: SessionBody
    run: FlushedRunBody
    events: list[EventBody] = []


class FlushedRunBody(RunBody):
    """
    A run to save whole.
    """

    id: Text


class FlushView(BaseModel):
    """
    What a flush has stored.
    """

    session: SessionView
    run: RunView
    events: list[EventView]


class EventList(BaseModel):
    """
    Events of one session, in order.
    """

    items: list[EventView]


class SessionPage(BaseModel):
    """
    A page of sessions.
    """

    items: list[SessionView]
    cursor: str | None
    total_count: Count | None


class RunPage(BaseModel):
    """
    A page of runs.
    """

    items: list[RunView]
    cursor: str | None
    total_count: Count | None


class EventPage(BaseModel):
    """
    A page of events.
    """

    items: list[EventView]
    cursor: str | None
    total_count: Count | None


class EventCount(BaseModel):
    """
    How many events there are.
    """

    model_config: ClassVar[ConfigDict] = with_example(count=42)

    count: Count
