"""
What the filters of a search let through.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import attrs
import pytest

from asm_async.errors import ValidationError
from asm_async.ports.session_store import SessionStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.factories import NOON, make_event
from asm_async.testing.text_search.contract import (
    TextSearchContract,
    numbers_found,
    say,
)
from asm_async.values.event import EventType

__all__ = ["TestTextFilters"]

_A_SECOND = timedelta(seconds=1)

_FILTERS: Mapping[str, tuple[Mapping[str, Any], Collection[int]]] = MappingProxyType(
    {
        "nothing": ({}, {1, 2, 3, 4, 5, 6, 7}),
        "one type": ({"types": "message_sent"}, {1, 2}),
        "types": ({"types": [EventType.MESSAGE_SENT, "error_occurred"]}, {1, 2, 6}),
        "no type": ({"types": ()}, ()),
        "an own type": ({"types": "app.note"}, ()),
        "the user": ({"roles": "user"}, {1}),
        "the system": ({"roles": "system"}, {2}),
        "the assistant": ({"roles": ["assistant"]}, {3, 4}),
        "tools": ({"roles": {"tool", "user"}}, {1, 5, 7}),
        "no role": ({"roles": ()}, ()),
        "since, inclusive": ({"since": NOON + 3 * _A_SECOND}, {3, 4, 5, 6, 7}),
        "until, exclusive": ({"until": NOON + 3 * _A_SECOND}, {1, 2}),
        "between": (
            {"since": NOON + 2 * _A_SECOND, "until": NOON + 4 * _A_SECOND},
            {2, 3},
        ),
        "its session": ({"session_id": "ses_1"}, {1, 2, 3, 4, 5, 6, 7}),
        "another session": ({"session_id": "ses_2"}, ()),
        "all at once": (
            {
                "session_id": "ses_1",
                "agent_id": "assistant",
                "tenant_id": "acme",
                "user_id": "kim",
                "types": "message_received",
                "roles": "assistant",
                "since": NOON,
                "until": NOON + timedelta(days=1),
            },
            {3},
        ),
    }
)

_WRONG: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "query": {"query": 1},
        "session_id": {"session_id": ""},
        "tenant_id": {"tenant_id": 1},
        "user_id": {"user_id": "x" * 256},
        "types": {"types": "nothing_known"},
        "roles": {"roles": "king"},
        "since": {"since": datetime(2026, 1, 1)},  # noqa: DTZ001 - what is refused
        "order_by": {"order_by": "rank"},
        "limit": {"limit": 1_001},
        "cursor": {"cursor": "?"},
    }
)


class TestTextFilters(TextSearchContract):
    """
    By owner, kind and time.
    """

    @pytest.mark.parametrize("name", _FILTERS)
    async def test_a_filter_lets_through_what_meets_it(
        self, store: SessionStore, search: TextSearch, name: str
    ) -> None:
        """
        Filters go by type, by who has said it, and by when.
        """
        call = {"tool_call_id": "call_1", "tool_name": "find"}
        data = [
            ("message_sent", {"content": "a word"}),
            ("message_sent", {"content": "a word", "role": "system"}),
            ("message_received", {"content": [{"type": "text", "text": "a word"}]}),
            ("tool_call_started", call | {"tool_input": {"query": ["a word"]}}),
            ("tool_call_completed", call | {"tool_output": {"rows": [{"x": "word"}]}}),
            ("error_occurred", {"error_message": "a word"}),
            ("tool_call_failed", call | {"error_message": "no word"}),
            ("message_streamed", {"delta": "word"}),
            ("run_completed", {"output": "word"}),
            ("app.note", {"text": "word"}),
            ("token_usage_updated", {"model": "word"}),
        ]
        await say(store, tenant_id="acme", user_id="kim")
        await store.append_events(
            [
                make_event(
                    id=f"evt_{number}",
                    type=type_,
                    data=content,
                    timestamp=NOON + number * _A_SECOND,
                )
                for number, (type_, content) in enumerate(data, start=1)
            ]
        )
        await search.update()
        filters, numbers = _FILTERS[name]

        assert await numbers_found(search, "word", **filters) == sorted(numbers)

    @pytest.mark.parametrize("name", ["agent_id", "tenant_id", "user_id"])
    async def test_a_search_finds_only_what_belongs_to_an_owner(
        self, store: SessionStore, search: TextSearch, name: str
    ) -> None:
        """
        Another's texts are not found, and a session that changes hands takes its along.
        """
        await say(store, "a word", session_id="ses_1", **{name: "one"})
        await say(store, "x", "a word", session_id="ses_2", **{name: "two"})
        await search.update()

        assert await numbers_found(search, "word", **{name: "one"}) == [1]
        assert await numbers_found(search, "word", **{name: "two"}) == [2]
        assert await numbers_found(search, "word", **{name: "three"}) == []
        change: dict[str, Any] = {name: "two"}
        await store.update_session("ses_1", lambda ses: attrs.evolve(ses, **change))
        assert await numbers_found(search, "word", **{name: "one"}) == []
        assert await numbers_found(search, "word", **{name: "two"}) == [1, 2]

    @pytest.mark.parametrize("name", _WRONG)
    async def test_a_wrong_argument_is_refused_by_its_name(
        self, search: TextSearch, name: str
    ) -> None:
        """
        Each error begins with the argument that is wrong.
        """
        given: dict[str, Any] = {"query": "word", **_WRONG[name]}

        with pytest.raises(ValidationError, match=f"^{name}"):
            await search.search_text(**given)
