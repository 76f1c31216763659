"""
What spans and measurements say of a database, a call and an error: never a content.

The names are those of the semantic conventions for databases, or begin with
``asm_async``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from opentelemetry.trace import SpanKind

from asm_async.errors import ASMError
from asm_async.memory import InMemorySessionStore
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.sql import SQLSessionStore
from asm_async.values.changes import Changes
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.run import Run
from asm_async.values.session import Session

Attributes: TypeAlias = dict[str, str | int | float]

DB_SYSTEM_NAME = "db.system.name"
DB_NAMESPACE = "db.namespace"
DB_OPERATION_NAME = "db.operation.name"
DB_OPERATION_BATCH_SIZE = "db.operation.batch.size"
POOL_NAME = "db.client.connection.pool.name"
CONNECTION_STATE = "db.client.connection.state"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"
SESSION_ID = "asm_async.session.id"
CONSUMER_NAME = "asm_async.consumer.name"
WAIT_DURATION = "asm_async.write.wait.duration"

_PORTS = (
    ArtifactRegistry,
    EventFeed,
    Maintenance,
    QueryAPI,
    SessionStore,
    StateStore,
)

# Methods whose first argument is a session's id.
_OF_A_SESSION = frozenset(
    name
    for port in _PORTS
    for name, method in inspect.getmembers(port, inspect.isfunction)
    if "session_id" in list(inspect.signature(method).parameters)[1:2]
)


def database_attributes(store: object) -> tuple[Attributes, SpanKind]:
    """
    Return what is known of a store's database without asking it, and its spans' kind.

    Of an SQLite file it is the name, without the folder.
    """
    if isinstance(store, InMemorySessionStore):
        return {DB_SYSTEM_NAME: "memory"}, SpanKind.INTERNAL
    if not isinstance(store, SQLSessionStore):
        return {DB_SYSTEM_NAME: "other_sql"}, SpanKind.CLIENT
    engine = store.engine
    found: Attributes = {DB_SYSTEM_NAME: engine.dialect.name}
    if name := re.split(r"[/\\]", engine.url.database or "")[-1]:
        found[DB_NAMESPACE] = name
    if engine.url.host:
        found[SERVER_ADDRESS] = engine.url.host
        if engine.url.port is not None:
            found[SERVER_PORT] = engine.url.port
    return found, SpanKind.CLIENT


def pool_name(database: Attributes) -> str:
    """
    Return the name of a pool of connections, as the conventions make it.
    """
    address = f"{database.get(SERVER_ADDRESS, '')}:{database.get(SERVER_PORT, '')}"
    parts = (address.strip(":"), str(database.get(DB_NAMESPACE, "")))
    return "/".join(filter(None, parts)) or str(database[DB_SYSTEM_NAME])


def error_type(error: BaseException) -> str:
    """
    Return the code of an error of this library, the name of any other one's class.

    What an error says is left out: it may name a value of the caller's.
    """
    return error.code if isinstance(error, ASMError) else type(error).__qualname__


def session_id_of(
    operation: str, arguments: Sequence[Any], options: Mapping[str, Any]
) -> str | None:
    """
    Return the id of the session that a call is about; the first one's of several.
    """
    subject: Any = arguments[0] if arguments else next(iter(options.values()), None)
    if isinstance(subject, Changes):
        session = subject.session or subject.create_session
        subject = session or subject.runs or subject.events
    elif isinstance(subject, ExecutionResult):
        subject = subject.session or subject.run or subject.events
    if isinstance(subject, list | tuple):
        subject = next(iter(cast("Sequence[Any]", subject)), None)
    if isinstance(subject, str):
        return subject if operation in _OF_A_SESSION else None
    if isinstance(subject, Session):
        return subject.id
    return subject.session_id if isinstance(subject, Event | Run) else None
