"""
What the rules choose from: little, so that things meet.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TypeAlias

from hypothesis import strategies as st

from asm_async.testing.factories import NOON, make_event
from asm_async.values.event import Event, EventType
from asm_async.values.run import RunStatus
from asm_async.values.session import SessionStatus

__all__ = [
    "EVENTS",
    "EVENT_IDS",
    "EVENT_TYPES",
    "LIMITS",
    "NUMBERS",
    "RUN_FIELDS",
    "RUN_IDS",
    "RUN_STATUSES",
    "SESSION_FIELDS",
    "SESSION_IDS",
    "SESSION_STATUSES",
    "TEXTS",
    "TIMES",
    "EventChoice",
    "Fields",
    "build_event",
    "some_of",
]

Fields: TypeAlias = dict[str, Any]
EventChoice: TypeAlias = tuple[str, Fields]

SESSION_IDS = st.sampled_from(["ses_1", "ses_2"])
RUN_IDS = st.sampled_from(["run_1", "run_2", "run_3"])
EVENT_IDS = st.sampled_from(["evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_6"])
TEXTS = st.sampled_from(["a", "B", "\u00e9"])
NUMBERS = st.none() | st.integers(0, 6)
LIMITS = st.none() | st.integers(-1, 4)
SESSION_STATUSES = st.sampled_from(SessionStatus)
RUN_STATUSES = st.sampled_from(RunStatus)
EVENT_TYPES = st.sampled_from(
    [EventType.MESSAGE_SENT, EventType.ERROR_OCCURRED, "myapp.plan"]
)


def _day(number: int) -> datetime:
    return NOON + timedelta(days=number)


TIMES = st.integers(-3, 3).map(_day)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Fields]:
    """
    Choose values for some of the fields, or for none.
    """
    return st.fixed_dictionaries({}, optional=fields)


SESSION_FIELDS = some_of(
    status=SESSION_STATUSES,
    agent_id=TEXTS,
    tenant_id=TEXTS,
    user_id=TEXTS,
    parent_session_id=SESSION_IDS,
    tags=st.lists(TEXTS, max_size=2, unique=True),
    created_at=TIMES,
    updated_at=TIMES,
)
RUN_FIELDS = some_of(
    status=RUN_STATUSES,
    provider=TEXTS,
    started_at=TIMES,
    token_usage=some_of(
        input_tokens=st.integers(0, 3),
        output_tokens=st.integers(0, 3),
        total_tokens=st.integers(0, 3),
        model=TEXTS,
    ),
    cost_usd=st.sampled_from([0.25, 2.0]),
)
EVENTS: st.SearchStrategy[EventChoice] = st.tuples(
    EVENT_IDS,
    some_of(
        type=EVENT_TYPES,
        timestamp=TIMES,
        run_id=RUN_IDS,
        provider=TEXTS,
        correlation_id=TEXTS,
        data=st.fixed_dictionaries({"x": st.integers(0, 1)}),
    ),
)


def build_event(session_id: str, choice: EventChoice) -> Event:
    """
    Make the event that was chosen.
    """
    id_, fields = choice
    return make_event(id=id_, session_id=session_id, **fields)
