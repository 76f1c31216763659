"""
Every method of every port, called with one argument that may be anything.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any, TypeAlias, cast

import attrs
import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from asm_async.errors import ASMError
from asm_async.memory import (
    InMemoryArtifactRegistry,
    InMemoryDatabase,
    InMemoryEventFeed,
    InMemoryMaintenance,
    InMemoryQueryAPI,
    InMemorySessionStore,
    InMemoryStateStore,
)
from asm_async.sql import (
    SQLArtifactRegistry,
    SQLEventFeed,
    SQLMaintenance,
    SQLQueryAPI,
    SQLSessionStore,
    SQLStateStore,
)
from asm_async.sql.core import tables
from asm_async.testing.factories import (
    NOON,
    make_artifact,
    make_event,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
)
from asm_async.testing.query_api.transfer import pieces
from asm_async.testing.wrong_values import anything, deep_values, sql_texts
from asm_async.values.changes import Changes
from asm_async.values.retention import RetentionPolicy

__all__ = ["Ports", "WrongCalls", "memory_ports", "sql_ports"]

Arguments: TypeAlias = Mapping[str, Any]

_NEVER_SECONDS = 60
_CALLBACKS = ("progress", "should_stop", "writer", "reader", "price_lookup")
_FILTERS: Arguments = {
    "session_id": "ses_1",
    "agent_id": "assistant",
    "tenant_id": None,
    "user_id": None,
    "provider": None,
    "since": NOON,
    "until": NOON,
    "bucket": "day",
}
_SESSIONS: Arguments = {
    "agent_id": "assistant",
    "tenant_id": None,
    "user_id": None,
    "status": None,
    "provider": None,
    "tags": (),
    "parent_session_id": None,
    "created_after": NOON,
    "created_before": NOON,
    "include_deleted": False,
}
_EVENTS: Arguments = {
    "session_ids": ["ses_1"],
    "run_ids": None,
    "types": None,
    "providers": None,
    "since": NOON,
    "until": NOON,
    "correlation_id": None,
    "tenant_id": None,
    "user_id": None,
}


async def _write(_data: bytes) -> None: ...


# What each method is given, port by port; one of the arguments is replaced.
_CALLS: Mapping[str, Mapping[str, Arguments]] = {
    "store": {
        "save_session": {"session": make_session(), "expected_revision": None},
        "get_session": {"session_id": "ses_1"},
        "list_sessions": {
            "status": "pending",
            "agent_id": "assistant",
            "tenant_id": None,
            "user_id": None,
            "include_deleted": False,
            "with_context": True,
            "limit": 1,
            "offset": 0,
        },
        "delete_session": {"session_id": "ses_none"},
        "save_run": {"run": make_run(), "expected_revision": None},
        "get_run": {"run_id": "run_1"},
        "list_runs": {"session_id": "ses_1", "status": None, "limit": 1},
        "get_active_run": {"session_id": "ses_1"},
        "append_event": {"event": make_event(), "expected_sequence": None},
        "append_event_with_sequence": {
            "event": make_event(),
            "expected_sequence": None,
        },
        "append_events": {"events": [make_event()], "expected_sequence": None},
        "flush": {"result": make_execution_result(), "expected_sequence": None},
        "commit": {
            "changes": Changes(session=make_session()),
            "expected_sequence": None,
            "expected_revisions": {"run_1": 0},
        },
        "copy_session": {
            "source_id": "ses_1",
            "target": make_session(id="ses_copy"),
            "through": 1,
            "scopes": {"app/one": "app/copy"},
            "operation_id": "op_copy",
        },
        "retract_events": {
            "session_id": "ses_1",
            "first": 1,
            "last": 2,
            "replacement": [make_event(id="evt_9")],
            "expected_sequence": 2,
            "operation_id": "evt_op",
        },
        "get_events": {
            "session_id": "ses_1",
            "run_id": None,
            "type": None,
            "correlation_id": None,
            "visible_only": False,
            "ids": None,
            "since": None,
            "after": None,
            "before": None,
            "limit": None,
            "last": None,
            "wait_timeout": 0,
        },
        "get_latest_sequence": {"session_id": "ses_1"},
    },
    "query_api": {
        "search_sessions": {
            **_SESSIONS,
            "with_context": True,
            "order_by": "created_at_asc",
            "limit": 1,
            "cursor": None,
            "count_total": False,
        },
        "get_session_stats": {"session_id": "ses_1"},
        "search_runs": {
            "session_id": "ses_1",
            "agent_id": None,
            "tenant_id": None,
            "user_id": None,
            "provider": None,
            "status": None,
            "started_after": NOON,
            "started_before": NOON,
            "min_tokens": 1,
            "order_by": "started_at_asc",
            "limit": 1,
            "cursor": None,
        },
        "search_events": {
            **_EVENTS,
            "order_by": "sequence_asc",
            "limit": 1,
            "cursor": None,
        },
        "count_events": _EVENTS,
        "get_usage_summary": _FILTERS,
        "get_cost_summary": {**_FILTERS, "pricing_table": {}, "price_lookup": None},
        "export_session": {"session_id": "ses_1"},
        "export_sessions": {**_SESSIONS, "writer": _write, "progress": None},
        "import_sessions": {
            "reader": None,
            "max_line_bytes": 1_000,
            "progress": None,
        },
    },
    "maintenance": {
        "execute": {
            "policy": RetentionPolicy(),
            "progress": None,
            "should_stop": None,
        },
        "prune_session_events": {"session_id": "ses_1", "policy": RetentionPolicy()},
        "soft_delete_session": {"session_id": "ses_none"},
        "restore_session": {"session_id": "ses_none"},
        "soft_delete_expired_sessions": {"policy": RetentionPolicy()},
        "hard_delete_expired_sessions": {"policy": RetentionPolicy()},
        "erase": {
            "tenant_id": "nobody",
            "user_id": "nobody",
            "session_ids": ["ses_none"],
            "with_children": False,
            "artifact_store": None,
            "grace_period": timedelta(0),
            "progress": None,
            "should_stop": None,
        },
    },
    "feed": {
        "follow_session": {
            "session_id": "ses_1",
            "after": 0,
            "types": None,
            "run_id": None,
            "until_over": False,
            "tenant_id": None,
            "user_id": None,
        },
        "follow_all": {
            "checkpoint": None,
            "types": None,
            "agent_id": None,
            "tenant_id": None,
            "user_id": None,
        },
        "feed_lag": {"checkpoint": None},
        "consumer": {
            "name": "one",
            "checkpoint": None,
            "types": None,
            "agent_id": None,
            "lease_seconds": 60,
        },
        "delete_consumer": {"name": "one"},
    },
    "consumer": {"batches": {"max_size": 1, "max_wait": 0}},
    "state": {
        "save_items": {
            "items": [make_item(data=1)],
            "keep_existing": False,
            "expected_revisions": {},
            "operation_id": None,
        },
        "get_items": {"scope": "app/user", "keys": ["theme"]},
        "list_items": {
            "scope": "app/user",
            "prefix": "",
            "after": None,
            "before": None,
            "descending": False,
            "limit": 1,
            "with_content": True,
        },
        "list_session_items": {
            "session_id": "ses_1",
            "scope": None,
            "prefix": "",
            "after": None,
            "limit": 1,
            "with_content": True,
            "expected_tenant": None,
        },
        "delete_items": {
            "scope": "app/none",
            "keys": ["theme"],
            "prefix": None,
            "expected_revisions": {},
        },
        "delete_scope": {"scope": "app/none"},
    },
    "artifacts": {
        "register": {"artifact": make_artifact()},
        "get": {"artifact_id": "art_1"},
        "get_by_key": {"key": "report.txt"},
        "list_by_session": {
            "session_id": "ses_1",
            "include_deleted": False,
            "limit": 1,
        },
        "session_stats": {"session_id": "ses_1"},
        "soft_delete": {"artifact_id": "art_none"},
        "hard_delete_expired": {"deleted_before": NOON},
        "named_checksums": {"checksums": ["0" * 64]},
    },
}


@attrs.frozen(kw_only=True)
class Ports:
    """
    All ports of one database.
    """

    store: Any
    state: Any
    query_api: Any
    maintenance: Any
    feed: Any
    artifacts: Any
    engine: AsyncEngine | None = None

    @property
    def consumer(self) -> Any:
        """
        Return a durable consumer of the feed.
        """
        return self.feed.consumer("one")

    async def close(self) -> None:
        """
        Give up the database.
        """
        await self.feed.aclose()
        await self.state.aclose()
        await self.store.aclose()
        if self.engine is not None:
            await self.engine.dispose()

    async def contents(self) -> Any:
        """
        Return all rows of all tables; nothing where there are none.
        """
        if self.engine is None:
            return None
        async with self.engine.connect() as conn:
            return {
                name: sorted(
                    map(repr, await conn.execute(sa.text(f"SELECT * FROM {name}")))  # noqa: S608 - a table of ours
                )
                for name in tables.METADATA.tables
            }


def memory_ports() -> Ports:
    """
    Open a database in memory, which is what the others are compared with.
    """
    database = InMemoryDatabase()
    return Ports(
        store=InMemorySessionStore(database),
        state=InMemoryStateStore(database),
        query_api=InMemoryQueryAPI(database),
        maintenance=InMemoryMaintenance(database),
        feed=InMemoryEventFeed(database),
        artifacts=InMemoryArtifactRegistry(database),
    )


def sql_ports(engine: AsyncEngine) -> Ports:
    """
    Open a database that has our tables.
    """
    return Ports(
        store=SQLSessionStore(engine),
        state=SQLStateStore(engine),
        query_api=SQLQueryAPI(engine),
        maintenance=SQLMaintenance(engine),
        feed=SQLEventFeed(engine, listens=False),
        artifacts=SQLArtifactRegistry(engine),
        engine=engine,
    )


class WrongCalls:
    """
    Calls two databases alike, of which one is known to answer right.
    """

    def __init__(self, tested: Ports, known: Ports) -> None:
        self.tested: Ports = tested
        self._known = known
        self._before: Any = None
        self.refused: int = 0
        self.taken: int = 0

    async def begin(self) -> None:
        """
        Store a session with some events in both.
        """
        for ports in (self.tested, self._known):
            await ports.store.save_session(make_session())
            await ports.store.append_events(make_events(2))
        self._before = await self.tested.contents()

    async def check_nesting(self) -> None:
        """
        Give every argument what is nested without bounds.
        """
        # To make them takes a tenth of a second, and no call may change its arguments.
        deeply_nested = tuple(deep_values().values())
        for port, methods in _CALLS.items():
            for method, arguments in methods.items():
                for name in arguments:
                    for deep in deeply_nested:
                        await self._check(port, method, {**arguments, name: deep})

    async def check(self, data: st.DataObject) -> None:
        """
        Replace one argument of one method.

        Both databases refuse it, in the same words, or neither does; whoever refuses
        has not written anything.
        """
        port = data.draw(st.sampled_from(sorted(_CALLS)))
        method = data.draw(st.sampled_from(sorted(_CALLS[port])))
        arguments = _CALLS[port][method]
        name = data.draw(st.sampled_from(sorted(arguments)))
        wrong = data.draw(anything() | sql_texts())
        if name not in _CALLBACKS or not callable(wrong):
            await self._check(port, method, {**arguments, name: wrong})

    async def _check(self, port: str, method: str, arguments: Arguments) -> None:
        known = await _refusal(self._known, port, method, arguments)
        tested = await _refusal(self.tested, port, method, arguments)
        assert tested == known, f"{method} refuses with {tested}, memory with {known}"
        after = await self.tested.contents()
        if tested is None:
            self.taken += 1
            self._before = after
        else:
            self.refused += 1
            assert after == self._before, f"{method} refused, and wrote all the same"


async def _refusal(
    ports: Ports, port: str, method: str, arguments: Arguments
) -> tuple[str, str, str] | None:
    """
    Tell class, code and message of a refusal; None if there is none.
    """
    given = dict(arguments)
    if "reader" in given and given["reader"] is None:
        given["reader"] = pieces(b"")
    try:
        async with asyncio.timeout(_NEVER_SECONDS):
            result = getattr(getattr(ports, port), method)(**given)
            if inspect.isawaitable(result):
                await result
            elif isinstance(result, AsyncGenerator):
                await cast("AsyncGenerator[Any]", result).aclose()
    except ASMError as error:
        refusal = type(error).__name__, error.code, str(error)
    else:
        return None
    assert len(refusal[-1]) < 10_000, "a message is to be read"
    return refusal
