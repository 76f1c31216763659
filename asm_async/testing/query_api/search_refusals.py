"""
What no search does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

import pytest

from asm_async.errors import StoreClosedError, ValidationError
from asm_async.ports.query_api import QueryAPI
from asm_async.testing.query_api.contract import QueryAPIContract

__all__ = ["TestSearchRefusals"]

_NAIVE = datetime(2026, 1, 2)  # noqa: DTZ001 - what is wrong with it

# Each refused argument of each search, and the beginning of what is said of it.
_OF_ALL: tuple[tuple[Mapping[str, Any], str], ...] = (
    ({"limit": -1}, "limit: the number is not within"),
    ({"limit": 1_001}, "limit: expected at most 1000"),
    ({"limit": 2**53}, "limit: the number is not within"),
    ({"limit": None}, "limit: expected a whole number"),
    ({"limit": True}, "limit: expected a whole number"),
    ({"limit": 1.0}, "limit: expected a whole number"),
    ({"limit": "1"}, "limit: expected a whole number"),
    ({"order_by": "id"}, "order_by: 'id' is not one of "),
    ({"order_by": None}, "order_by: a NoneType is not one of "),
    ({"order_by": ["created_at_asc"]}, "order_by: a list is not one of "),
    ({"cursor": "junk"}, "cursor: expected the cursor of a page"),
)
_REFUSED: Mapping[str, tuple[tuple[Mapping[str, Any], str], ...]] = MappingProxyType(
    {
        "search_sessions": (
            *_OF_ALL,
            ({"agent_id": ""}, "agent_id: expected 1 to 255 characters"),
            ({"agent_id": 7}, "agent_id: expected text"),
            ({"tenant_id": "a\0"}, "tenant_id: "),
            ({"user_id": ""}, "user_id: expected 1 to 255 characters"),
            ({"status": "running"}, "status: 'running' is not one of pending, active"),
            ({"status": ["active", "over"]}, "status[1]: 'over' is not one of "),
            ({"status": 7}, "status: expected a list"),
            ({"provider": "x" * 256}, "provider: expected 1 to 255"),
            ({"tags": "tag"}, "tags: expected a list"),
            ({"tags": None}, "tags: expected a list"),
            ({"tags": ["tag", None]}, "tags[1]: expected text"),
            (
                {"tags": [f"tag_{number}" for number in range(17)]},
                "tags: expected at most 16 tags, got 17",
            ),
            ({"parent_session_id": "\ud800"}, "parent_session_id: "),
            ({"created_after": _NAIVE}, "created_after: "),
            ({"created_before": "2026-01-02"}, "created_before: expected a datetime"),
            ({"include_deleted": 1}, "include_deleted: expected True or False"),
            ({"count_total": None}, "count_total: expected True or False"),
            (
                {"order_by": "started_at_asc"},
                "order_by: 'started_at_asc' is not one of ",
            ),
        ),
        "search_runs": (
            *_OF_ALL,
            ({"session_id": ""}, "session_id: "),
            ({"agent_id": ["assistant"]}, "agent_id: expected text"),
            ({"provider": 7}, "provider: expected text"),
            ({"status": "paused"}, "status: 'paused' is not one of pending, running"),
            ({"status": {"status": "failed"}}, "status: expected a list"),
            ({"started_after": _NAIVE}, "started_after: "),
            ({"started_before": 0}, "started_before: expected a datetime"),
            ({"min_tokens": -1}, "min_tokens: the number is not within"),
            ({"min_tokens": "1"}, "min_tokens: expected a whole number"),
            (
                {"order_by": "created_at_asc"},
                "order_by: 'created_at_asc' is not one of ",
            ),
        ),
    }
)
_OF_EVENTS: tuple[tuple[Mapping[str, Any], str], ...] = (
    ({"session_ids": "ses_1"}, "session_ids: expected a list"),
    ({"session_ids": ["ses_1", ""]}, "session_ids[1]: expected 1 to 255"),
    ({"run_ids": "run_1"}, "run_ids: expected a list"),
    ({"run_ids": b"run_1"}, "run_ids: expected a list"),
    ({"types": 7}, "types: expected a list"),
    ({"types": "thought"}, "types: 'thought' is not an EventType"),
    ({"types": ["thought"]}, "types[0]: 'thought' is not an EventType"),
    ({"types": ["asm.thought"]}, "types[0]: 'asm.thought' has the reserved"),
    ({"providers": {"openai": 1}}, "providers: expected a list"),
    ({"providers": [7]}, "providers[0]: expected text"),
    ({"since": _NAIVE}, "since: "),
    ({"until": 7}, "until: expected a datetime"),
    ({"correlation_id": ""}, "correlation_id: expected 1 to 255"),
    ({"correlation_id": ["trace"]}, "correlation_id: expected text"),
)


class TestSearchRefusals(QueryAPIContract):
    """
    A wrong argument is named before anything is read, in the same words everywhere.
    """

    async def test_a_wrong_argument_is_named(self, query_api: QueryAPI) -> None:
        """
        Whatever is wrong with it, the message begins with its name.
        """
        cases = {
            **_REFUSED,
            "search_events": (*_OF_ALL, *_OF_EVENTS),
            "count_events": _OF_EVENTS,
        }
        for method, refused in cases.items():
            for arguments, message in refused:
                with pytest.raises(ValidationError) as caught:
                    await getattr(query_api, method)(**arguments)
                assert str(caught.value).startswith(message), (method, arguments)

    async def test_a_misspelt_argument_is_a_type_error(
        self, query_api: QueryAPI
    ) -> None:
        """
        A filter that does not exist narrows nothing in silence.
        """
        for method in (*_REFUSED, "search_events", "count_events"):
            with pytest.raises(TypeError):
                await getattr(query_api, method)(agent="assistant")

    async def test_a_query_api_belongs_to_the_loop_that_first_used_it(
        self, query_api: QueryAPI
    ) -> None:
        """
        From another event loop every search refuses; in its own it goes on.
        """
        assert await query_api.count_events() == 0
        for method in (*_REFUSED, "search_events", "count_events"):
            with pytest.raises(StoreClosedError):
                await asyncio.to_thread(asyncio.run, getattr(query_api, method)())
        assert await query_api.count_events() == 0
