from __future__ import annotations

import inspect
from typing import Any, get_args

import pytest

from asm_async.ports import query_api
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import MAX_PAGE_SIZE, QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore

# Each port with the methods that programs are written against, and what they must give.
PORTS: list[tuple[type[Any], dict[str, list[str]]]] = [
    (
        SessionStore,
        {
            "save_session": ["session"],
            "get_session": ["session_id"],
            "list_sessions": [],
            "delete_session": ["session_id"],
            "save_run": ["run"],
            "update_session": ["session_id", "change"],
            "update_run": ["run_id", "change"],
            "get_run": ["run_id"],
            "list_runs": ["session_id"],
            "get_active_run": ["session_id"],
            "append_event": ["event"],
            "append_event_with_sequence": ["event"],
            "append_events": ["events"],
            "flush": ["result"],
            "commit": ["changes"],
            "retract_events": ["session_id"],
            "copy_session": ["source_id", "target"],
            "get_events": ["session_id"],
            "get_latest_sequence": ["session_id"],
            "aclose": [],
        },
    ),
    (
        StateStore,
        {
            "save_items": ["items"],
            "get_items": ["scope", "keys"],
            "list_items": ["scope"],
            "list_session_items": ["session_id"],
            "delete_items": ["scope"],
            "delete_scope": ["scope"],
            "aclose": [],
        },
    ),
    (
        QueryAPI,
        {
            "search_sessions": [],
            "get_session_stats": ["session_id"],
            "search_runs": [],
            "get_usage_summary": [],
            "get_cost_summary": [],
            "search_events": [],
            "count_events": [],
            "export_session": ["session_id"],
            "export_sessions": ["writer"],
            "import_sessions": ["reader"],
        },
    ),
    (
        Maintenance,
        {
            "execute": ["policy"],
            "prune_session_events": ["session_id", "policy"],
            "soft_delete_session": ["session_id"],
            "restore_session": ["session_id"],
            "soft_delete_expired_sessions": ["policy"],
            "hard_delete_expired_sessions": ["policy"],
            "clean_orphaned_artifacts": [],
            "erase": [],
            "health_check": [],
        },
    ),
    (
        ArtifactRegistry,
        {
            "register": ["artifact"],
            "get": ["artifact_id"],
            "get_by_key": ["key"],
            "list_by_session": ["session_id"],
            "session_stats": ["session_id"],
            "soft_delete": ["artifact_id"],
            "hard_delete_expired": ["deleted_before"],
            "named_checksums": ["checksums"],
        },
    ),
    (
        ArtifactStore,
        {
            "put": ["content"],
            "get": ["checksum_sha256"],
            "stream": ["checksum_sha256"],
            "delete": ["checksum_sha256"],
            "list_checksums": [],
            "remove_leftovers": [],
        },
    ),
]
# Two numbers that nobody should have to tell apart by their places.
NEEDED_BY_KEYWORD = {"retract_events": ["first", "last"]}
METHODS = [
    pytest.param(port, name, required, id=f"{port.__name__}.{name}")
    for port, methods in PORTS
    for name, required in methods.items()
]


@pytest.mark.parametrize(("port", "methods"), PORTS)
def test_a_port_has_these_methods(
    port: type[Any], methods: dict[str, list[str]]
) -> None:
    """
    A port asks for what programs are written against, and for nothing else.
    """
    asked = [name for name, _ in inspect.getmembers(port, inspect.isfunction)]

    assert sorted(methods) == [name for name in asked if not name.startswith("_")]


@pytest.mark.parametrize(("port", "name", "required"), METHODS)
def test_a_method_is_async_and_specified(
    port: type[Any], name: str, required: list[str]
) -> None:
    """
    Each method is awaited or iterated, has a docstring, and options by keyword alone.
    """
    method = getattr(port, name)
    _, *parameters = inspect.signature(method).parameters.values()
    by_keyword = [one for one in parameters if one.kind is one.KEYWORD_ONLY]

    is_iterated = "AsyncGenerator[" in str(method.__annotations__["return"])

    assert inspect.iscoroutinefunction(method) or is_iterated
    assert inspect.getdoc(method)
    assert [one.name for one in parameters if one not in by_keyword] == required
    needed = [one.name for one in by_keyword if one.default is one.empty]
    assert needed == NEEDED_BY_KEYWORD.get(name, [])


@pytest.mark.parametrize(("port", "methods"), PORTS)
def test_what_has_the_methods_satisfies_the_port(
    port: type[Any], methods: dict[str, list[str]]
) -> None:
    """
    A port can be asked for at run time.
    """
    adapter = type("Adapter", (), {name: getattr(port, name) for name in methods})

    assert isinstance(adapter(), port)
    assert not isinstance(object(), port)


@pytest.mark.parametrize(
    ("search", "orders", "limit"),
    [
        (QueryAPI.search_sessions, query_api.SessionOrder, 50),
        (QueryAPI.search_runs, query_api.RunOrder, 50),
        (QueryAPI.search_events, query_api.EventOrder, 100),
    ],
    ids=["sessions", "runs", "events"],
)
def test_a_search_begins_with_a_short_page(
    search: Any, orders: Any, limit: int
) -> None:
    """
    Unless asked otherwise a page is short, is the first, and has one of the orders.
    """
    parameters = inspect.signature(search).parameters

    assert parameters["limit"].default == limit <= MAX_PAGE_SIZE
    assert parameters["cursor"].default is None
    assert parameters["order_by"].default in get_args(orders)


def test_counting_takes_the_filters_of_searching() -> None:
    """
    count_events differs from search_events in nothing but order and page.
    """
    searched = inspect.signature(QueryAPI.search_events).parameters
    counted = inspect.signature(QueryAPI.count_events).parameters

    assert set(searched) - set(counted) == {"order_by", "limit", "cursor"}
    assert {name: searched[name] for name in counted} == dict(counted)
