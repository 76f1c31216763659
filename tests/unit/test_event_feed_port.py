from __future__ import annotations

import inspect
from typing import Any

import pytest

from asm_async.memory import InMemoryDatabase, InMemoryEventFeed
from asm_async.ports.event_consumer import EventBatch, EventConsumer
from asm_async.ports.event_feed import EventFeed
from asm_async.sql import SQLEventFeed, create_engine

# Each port with what it asks for, whether it is awaited, and what it must be given.
PORTS: list[tuple[type[Any], dict[str, tuple[bool, list[str]]]]] = [
    (
        EventFeed,
        {
            "follow_session": (False, ["session_id"]),
            "follow_all": (False, []),
            "get_latest_checkpoint": (True, []),
            "feed_lag": (True, []),
            "consumer": (False, ["name"]),
            "list_consumers": (True, []),
            "delete_consumer": (True, ["name"]),
            "aclose": (True, []),
        },
    ),
    (EventConsumer, {"batches": (False, [])}),
    (EventBatch, {"acknowledge": (True, []), "renew_lease": (True, [])}),
]
METHODS = [
    pytest.param(port, name, *facts, id=f"{port.__name__}.{name}")
    for port, methods in PORTS
    for name, facts in methods.items()
]


@pytest.mark.parametrize(("port", "methods"), PORTS)
def test_a_port_has_these_methods(port: type[Any], methods: dict[str, Any]) -> None:
    """
    A port asks for what programs are written against, and for nothing else.
    """
    asked = [name for name, _ in inspect.getmembers(port, inspect.isfunction)]

    assert sorted(methods) == [name for name in asked if not name.startswith("_")]


@pytest.mark.parametrize(("port", "name", "is_awaited", "required"), METHODS)
def test_a_method_is_specified(
    port: type[Any],
    name: str,
    is_awaited: bool,  # noqa: FBT001 - pytest gives it by name
    required: list[str],
) -> None:
    """
    Each method has a docstring, and takes its options by keyword alone.
    """
    method = getattr(port, name)
    _, *parameters = inspect.signature(method).parameters.values()
    by_keyword = [one for one in parameters if one.kind is one.KEYWORD_ONLY]

    assert inspect.iscoroutinefunction(method) == is_awaited
    assert inspect.getdoc(method)
    assert [one.name for one in parameters if one not in by_keyword] == required
    assert [one.name for one in by_keyword if one.default is one.empty] == []


async def test_the_adapters_satisfy_the_ports() -> None:
    """
    Feeds and consumers can be asked for at run time.
    """
    for feed in (
        InMemoryEventFeed(InMemoryDatabase()),
        SQLEventFeed(create_engine("sqlite+aiosqlite://")),
    ):
        assert isinstance(feed, EventFeed)
        assert isinstance(feed.consumer("one"), EventConsumer)
        assert feed.consumer("one").name == "one"
    assert not isinstance(object(), EventFeed)
