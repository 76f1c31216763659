from __future__ import annotations

import inspect
from typing import Any

import attrs
import pytest

from asm_async.fronts.artifact_store import ChecksumFilter
from asm_async.fronts.event_feed import FeedFilter, SessionFeedFilter
from asm_async.fronts.query_filters import (
    EventSearch,
    RunSearch,
    SessionSearch,
    UsageFilter,
)
from asm_async.fronts.session_filters import EventFilter, RunFilter, SessionFilter
from asm_async.memory import (
    InMemoryArtifactStore,
    InMemoryEventFeed,
    InMemoryQueryAPI,
    InMemorySessionStore,
)
from asm_async.ports import ArtifactStore, EventFeed, QueryAPI, SessionStore

METHODS: list[tuple[Any, Any, type[attrs.AttrsInstance]]] = [
    (QueryAPI.search_sessions, InMemoryQueryAPI.search_sessions, SessionSearch),
    (QueryAPI.export_sessions, InMemoryQueryAPI.export_sessions, SessionSearch),
    (QueryAPI.search_runs, InMemoryQueryAPI.search_runs, RunSearch),
    (QueryAPI.search_events, InMemoryQueryAPI.search_events, EventSearch),
    (QueryAPI.count_events, InMemoryQueryAPI.count_events, EventSearch),
    (QueryAPI.get_usage_summary, InMemoryQueryAPI.get_usage_summary, UsageFilter),
    (QueryAPI.get_cost_summary, InMemoryQueryAPI.get_cost_summary, UsageFilter),
    (EventFeed.follow_session, InMemoryEventFeed.follow_session, SessionFeedFilter),
    (EventFeed.follow_all, InMemoryEventFeed.follow_all, FeedFilter),
    (EventFeed.consumer, InMemoryEventFeed.consumer, FeedFilter),
    (
        ArtifactStore.list_checksums,
        InMemoryArtifactStore.list_checksums,
        ChecksumFilter,
    ),
    (SessionStore.list_sessions, InMemorySessionStore.list_sessions, SessionFilter),
    (SessionStore.list_runs, InMemorySessionStore.list_runs, RunFilter),
    (SessionStore.get_events, InMemorySessionStore.get_events, EventFilter),
]
NAMES = [method.__qualname__ for method, _, _ in METHODS]


@pytest.mark.parametrize(("port", "front", "kind"), METHODS, ids=NAMES)
def test_a_front_takes_what_its_port_says(
    port: Any, front: Any, kind: type[attrs.AttrsInstance]
) -> None:
    """
    A front shows the port's signature, and its filter has the port's defaults.
    """
    signature = inspect.signature(front)
    shared = [
        field
        for field in attrs.fields(kind)
        if field.name in signature.parameters and field.default is not attrs.NOTHING
    ]

    assert signature == inspect.signature(port)
    assert inspect.iscoroutinefunction(front) == inspect.iscoroutinefunction(port)
    assert inspect.getdoc(front) == inspect.getdoc(port)
    assert {
        signature.parameters[field.name].default == field.default for field in shared
    } == {True}


async def test_a_name_that_no_port_knows_is_refused() -> None:
    """
    As Python refuses it where a signature is written out.
    """
    query: Any = InMemoryQueryAPI
    with pytest.raises(TypeError, match="tenant"):
        await query.search_sessions(None, tenant="t")
    with pytest.raises(TypeError):
        await query.count_events(None, ["ses_1"])
