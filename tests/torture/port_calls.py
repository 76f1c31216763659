"""
A call of every method of every port, on a subject of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from asm_async.errors import NotFoundError, StorageError
from asm_async.fronts.text_indexing import CONSUMER_NAME
from asm_async.memory import (
    InMemoryDatabase,
    InMemoryQueryAPI,
    InMemorySessionStore,
)
from asm_async.ports.artifact_registry import ArtifactRegistry
from asm_async.ports.artifact_store import ArtifactStore
from asm_async.ports.event_feed import EventFeed
from asm_async.ports.maintenance import Maintenance
from asm_async.ports.query_api import QueryAPI
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.ports.text_search import TextSearch
from asm_async.testing.factories import (
    make_artifact,
    make_events,
    make_execution_result,
    make_item,
    make_run,
    make_session,
    run_of,
    session_of,
)
from asm_async.values.artifact import Artifact
from asm_async.values.changes import Changes
from asm_async.values.event import EVENTS_RETRACTED
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.retention import RetentionPolicy
from asm_async.values.run import Run, RunStatus
from asm_async.values.session import Session, SessionStatus
from asm_async.values.state_item import StateItem
from tests.torture.world import Ports, later

__all__ = ["CALLS", "PortCall", "Subject"]

_EVENTS = 5

# What holds a lease when its connection is cut cannot give it up.
_LEASE_SECONDS = 0.5

_POLICY = RetentionPolicy(max_completed_session_age_days=90, max_events_per_session=3)


@attrs.frozen
class Subject:
    """
    A session with all it can have, and what else bears its name.
    """

    name: str
    """
    A word that is in all its ids, and in none of another subject.
    """

    def id(self, kind: str) -> str:
        """
        Return the id of something of its own.
        """
        return f"{kind}_{self.name}"

    @property
    def session(self) -> Session:
        """
        The session as it was first saved.
        """
        return make_session(
            id=self.id("ses"), status=SessionStatus.COMPLETED, tags=["one", "two"]
        )

    @property
    def saved(self) -> ExecutionResult:
        """
        What is there before a call.
        """
        session_id, run_id = self.id("ses"), self.id("run")
        run = make_run(id=run_id, session_id=session_id, status=RunStatus.RUNNING)
        events = make_events(_EVENTS, session_id=session_id, run_id=run_id)
        return make_execution_result(session=self.session, run=run, events=events)

    @property
    def later(self) -> ExecutionResult:
        """
        What calls add to it.
        """
        run = attrs.evolve(run_of(self.saved), metadata={"is": "later"})
        events = make_events(
            3, first=_EVENTS + 1, session_id=self.id("ses"), run_id=run.id
        )
        session = attrs.evolve(self.session, metadata={"is": "later"})
        return make_execution_result(session=session, run=run, events=events)

    def artifact(self, kind: str) -> Artifact:
        """
        Describe an artifact of the session.
        """
        return make_artifact(
            id=self.id(kind),
            key=self.id(kind),
            session_id=self.id("ses"),
            byte_size=len(self.content),
            checksum_sha256=hashlib.sha256(self.content).hexdigest(),
        )

    @property
    def content(self) -> bytes:
        """
        What the artifact holds.
        """
        return self.name.encode() * 1_000

    @property
    def checksum(self) -> str:
        """
        The name of the content.
        """
        return self.artifact("art").checksum_sha256

    def items(self, data: object) -> list[StateItem]:
        """
        Make two items of the session, which hold *data*.
        """
        scope, session_id = self.id("scope"), self.id("ses")
        return [
            make_item(scope=scope, key=key, data=data, session_id=session_id)
            for key in ("a", "b")
        ]

    async def prepare(self, ports: Ports) -> None:
        """
        Store it.
        """
        await ports.store.flush(self.saved)
        await ports.state.save_items(self.items("saved"))
        await ports.registry.register(self.artifact("art"))
        await ports.contents.put(self.content)

    async def remove(self, ports: Ports) -> None:
        """
        Leave nothing of it that another call could meet.
        """
        for session_id in (self.id("ses"), self.id("ses_in")):
            await ports.store.delete_session(session_id)
        await ports.state.delete_scope(self.id("scope"))
        await ports.feed.delete_consumer(self.id("con"))
        for content in (self.content, self.content + b"!"):
            await ports.contents.delete(hashlib.sha256(content).hexdigest())

    async def state(self, ports: Ports) -> str:
        """
        Tell all that is stored of it, the same for any two subjects of the same state.
        """
        found: dict[str, Any] = {}
        for kind in ("ses", "ses_in"):
            found[kind] = await self._session_state(ports, self.id(kind))
        items = await ports.state.list_items(self.id("scope"))
        found["items"] = [_plain(item) | {"revision": None} for item in items]
        states = await ports.feed.list_consumers()
        found["consumer"] = [
            state.checkpoint is None for state in states if state.name == self.id("con")
        ]
        checksums = await ports.contents.list_checksums()
        found["contents"] = [
            hashlib.sha256(content).hexdigest() in checksums
            for content in (self.content, self.content + b"!")
        ]
        return json.dumps(found, sort_keys=True).replace(self.name, "*")

    async def check_lease(self, ports: Ports) -> None:
        """
        Assert that nobody has the lease of its consumer.
        """
        for state in await ports.feed.list_consumers():
            assert state.name != self.id("con") or state.holder is None

    async def _session_state(self, ports: Ports, session_id: str) -> Any:
        store = ports.store
        events = await store.get_events(session_id)
        latest = await store.get_latest_sequence(session_id)
        numbers = [event.sequence_number for event in events]
        try:
            session = await store.get_session(session_id)
        except NotFoundError:
            assert (numbers, latest) == ([], 0)
            return None
        assert not numbers or numbers == [*range(latest + 1 - len(numbers), latest + 1)]
        artifacts = await ports.registry.list_by_session(
            session_id, include_deleted=True
        )
        return {
            "session": _plain(session),
            "runs": [_plain(run) for run in await store.list_runs(session_id)],
            "events": [_plain(event) for event in events],
            "latest": latest,
            "artifacts": [_plain(artifact) for artifact in artifacts],
        }


def _plain(value: Any) -> dict[str, Any]:
    """
    Give a value's fields, and of times that the store gives only whether they are set.
    """
    told: dict[str, Any] = value.to_dict()
    for name in ("updated_at", "deleted_at", "last_activity_at"):
        if name in told:
            told[name] = told[name] is not None
    if told.get("type") == EVENTS_RETRACTED:
        told.pop("timestamp")
    told.pop("checksum_sha256", None)
    return told


Call: TypeAlias = Callable[[Ports, Subject], Coroutine[Any, Any, Any]]


def _renamed(session: Session) -> Session:
    return session.with_metadata(title="renamed")


def _priced(run: Run) -> Run:
    return run.set_cost(0.5)


async def _nothing(_ports: Ports, _subject: Subject) -> None:
    """
    Prepare nothing more.
    """


@attrs.frozen(kw_only=True)
class PortCall:
    """
    A call, which may be made again when it was not carried out.
    """

    call: Call
    prepare: Call = _nothing
    """
    What to do before it, to a subject that is stored.
    """

    is_atomic: bool = True
    """
    Whether it is done whole or not at all.
    """


def _at_once(name: str, call: Callable[[Ports, Subject], Any]) -> tuple[str, PortCall]:
    return name, PortCall(call=call)


async def _first(stream: AsyncGenerator[Any], count: int) -> list[Any]:
    async with aclosing(stream):
        return [await anext(stream) for _ in range(count)]


async def _in_pieces(content: bytes) -> AsyncGenerator[bytes]:
    for start in range(0, len(content), 1_000):
        yield content[start : start + 1_000]


async def _exported(subject: Subject) -> AsyncGenerator[bytes]:
    """
    Export a session like the subject's from another database.
    """
    database = InMemoryDatabase()
    session_id = subject.id("ses_in")
    session = attrs.evolve(subject.session, id=session_id)
    run = make_run(id=subject.id("run_in"), session_id=session_id)
    events = make_events(_EVENTS, session_id=session_id)
    store = InMemorySessionStore(database)
    await store.flush(make_execution_result(session=session, run=run, events=events))
    pieces: list[bytes] = []

    async def write(piece: bytes) -> None:
        pieces.append(piece)

    await InMemoryQueryAPI(database).export_sessions(write)
    yield b"".join(pieces)


async def _collect(ports: Ports, subject: Subject) -> bytes:
    lines: list[bytes] = []

    async def write(piece: bytes) -> None:
        lines.append(piece)

    agent_id = subject.session.agent_id
    await ports.query_api.export_sessions(write, agent_id=agent_id)
    return b"".join(lines)


async def _read_content(ports: Ports, subject: Subject) -> bytes:
    async with aclosing(ports.contents.stream(subject.checksum)) as pieces:
        return b"".join([piece async for piece in pieces])


async def _execute(ports: Ports, _: Subject) -> None:
    report = await ports.maintenance.execute(_POLICY)
    if report.errors:
        raise StorageError(str(report.errors))


async def _consume(ports: Ports, subject: Subject) -> None:
    consumer = ports.feed.consumer(subject.id("con"), lease_seconds=_LEASE_SECONDS)
    async with aclosing(consumer.batches(max_size=2)) as batches:
        batch = await anext(batches)
        await batch.renew_lease()
        await batch.acknowledge()


async def _index_again(ports: Ports, _: Subject) -> None:
    """
    Have the next update begin with the first event, and wait for no lease.
    """
    await ports.feed.delete_consumer(CONSUMER_NAME)


async def _keep_indexed(ports: Ports, _: Subject) -> None:
    async with ports.text_search.following():
        await ports.text_search.lag()


async def _close_text_search(ports: Ports, _: Subject) -> None:
    search = ports.another().text_search
    await search.search_text("hello")
    await search.aclose()


async def _close_store(ports: Ports, subject: Subject) -> None:
    store = ports.another().store
    await store.get_latest_sequence(subject.id("ses"))
    await store.aclose()


async def _close_feed(ports: Ports, subject: Subject) -> None:
    feed = ports.another().feed
    async with aclosing(feed.follow_session(subject.id("ses"))) as events:
        await anext(events)
        await feed.aclose()


async def _soft_delete(ports: Ports, subject: Subject) -> None:
    await ports.maintenance.soft_delete_session(subject.id("ses"))


async def _soft_delete_artifact(ports: Ports, subject: Subject) -> None:
    await ports.registry.soft_delete(subject.id("art"))


SESSION_STORE = dict(
    [
        _at_once(
            "save_session",
            lambda p, s: p.store.save_session(session_of(s.later), expected_revision=1),
        ),
        _at_once("get_session", lambda p, s: p.store.get_session(s.id("ses"))),
        _at_once("list_sessions", lambda p, _: p.store.list_sessions()),
        _at_once("delete_session", lambda p, s: p.store.delete_session(s.id("ses"))),
        _at_once(
            "save_run",
            lambda p, s: p.store.save_run(run_of(s.later), expected_revision=1),
        ),
        _at_once("get_run", lambda p, s: p.store.get_run(s.id("run"))),
        _at_once(
            "update_session",
            lambda p, s: p.store.update_session(s.id("ses"), _renamed),
        ),
        _at_once(
            "update_run",
            lambda p, s: p.store.update_run(s.id("run"), _priced),
        ),
        _at_once("list_runs", lambda p, s: p.store.list_runs(s.id("ses"))),
        _at_once("get_active_run", lambda p, s: p.store.get_active_run(s.id("ses"))),
        _at_once("append_event", lambda p, s: p.store.append_event(s.later.events[0])),
        _at_once(
            "append_event_with_sequence",
            lambda p, s: p.store.append_event_with_sequence(s.later.events[0]),
        ),
        _at_once("append_events", lambda p, s: p.store.append_events(s.later.events)),
        _at_once(
            "append_events (expecting)",
            lambda p, s: p.store.append_events(
                s.later.events, expected_sequence=_EVENTS
            ),
        ),
        _at_once(
            "flush", lambda p, s: p.store.flush(s.later, expected_sequence=_EVENTS)
        ),
        _at_once(
            "commit",
            lambda p, s: p.store.commit(
                Changes(session=s.later.session, events=s.later.events),
                expected_sequence=_EVENTS,
            ),
        ),
        _at_once(
            "copy_session",
            lambda p, s: p.store.copy_session(
                s.id("ses"),
                attrs.evolve(s.session, id=s.id("ses_in")),
                through=3,
                operation_id=s.id("op"),
            ),
        ),
        _at_once(
            "retract_events",
            lambda p, s: p.store.retract_events(
                s.id("ses"),
                first=2,
                last=3,
                replacement=s.later.events,
                operation_id=s.id("op"),
            ),
        ),
        _at_once("get_events", lambda p, s: p.store.get_events(s.id("ses"))),
        _at_once(
            "get_events (waiting)",
            lambda p, s: p.store.get_events(
                s.id("ses"), after=_EVENTS, wait_timeout=0.02
            ),
        ),
        _at_once("aclose", _close_store),
        _at_once(
            "get_latest_sequence", lambda p, s: p.store.get_latest_sequence(s.id("ses"))
        ),
    ]
)

QUERY_API = dict(
    [
        _at_once(
            "search_sessions",
            lambda p, _: p.query_api.search_sessions(count_total=True),
        ),
        _at_once(
            "get_session_stats", lambda p, s: p.query_api.get_session_stats(s.id("ses"))
        ),
        _at_once("search_runs", lambda p, _: p.query_api.search_runs()),
        _at_once(
            "get_usage_summary",
            lambda p, _: p.query_api.get_usage_summary(bucket="day"),
        ),
        _at_once("get_cost_summary", lambda p, _: p.query_api.get_cost_summary()),
        _at_once(
            "search_events",
            lambda p, s: p.query_api.search_events(session_ids=[s.id("ses")]),
        ),
        _at_once("count_events", lambda p, _: p.query_api.count_events()),
        _at_once(
            "export_session", lambda p, s: p.query_api.export_session(s.id("ses"))
        ),
        _at_once("export_sessions", _collect),
        _at_once(
            "import_sessions",
            lambda p, s: p.query_api.import_sessions(_exported(s)),
        ),
    ]
)

MAINTENANCE = {
    "execute": PortCall(call=_execute, is_atomic=False),
    "prune_session_events": PortCall(
        call=lambda p, s: p.maintenance.prune_session_events(s.id("ses"), _POLICY)
    ),
    "soft_delete_session": PortCall(call=_soft_delete),
    "restore_session": PortCall(
        call=lambda p, s: p.maintenance.restore_session(s.id("ses")),
        prepare=_soft_delete,
    ),
    "soft_delete_expired_sessions": PortCall(
        call=lambda p, _: p.maintenance.soft_delete_expired_sessions(_POLICY)
    ),
    "hard_delete_expired_sessions": PortCall(
        call=lambda p, _: p.maintenance.hard_delete_expired_sessions(_POLICY),
        prepare=_soft_delete,
        is_atomic=False,
    ),
    "clean_orphaned_artifacts": PortCall(
        call=lambda p, _: p.maintenance.clean_orphaned_artifacts()
    ),
    "erase": PortCall(
        call=lambda p, s: p.maintenance.erase(
            session_ids=[s.id("ses")],
            artifact_store=p.contents,
            grace_period=timedelta(0),
        ),
        is_atomic=False,
    ),
    "health_check": PortCall(call=lambda p, _: p.maintenance.health_check()),
}

ARTIFACT_REGISTRY = {
    "register": PortCall(call=lambda p, s: p.registry.register(s.artifact("new"))),
    "get": PortCall(call=lambda p, s: p.registry.get(s.id("art"))),
    "get_by_key": PortCall(call=lambda p, s: p.registry.get_by_key(s.id("art"))),
    "list_by_session": PortCall(
        call=lambda p, s: p.registry.list_by_session(s.id("ses"))
    ),
    "session_stats": PortCall(call=lambda p, s: p.registry.session_stats(s.id("ses"))),
    "soft_delete": PortCall(call=_soft_delete_artifact),
    "hard_delete_expired": PortCall(
        call=lambda p, _: p.registry.hard_delete_expired(later()),
        prepare=_soft_delete_artifact,
    ),
    "named_checksums": PortCall(
        call=lambda p, s: p.registry.named_checksums([s.checksum])
    ),
}

ARTIFACT_STORE = {
    "put": PortCall(call=lambda p, s: p.contents.put(s.content + b"!")),
    "put (pieces)": PortCall(
        call=lambda p, s: p.contents.put(_in_pieces(s.content + b"!"))
    ),
    "get": PortCall(call=lambda p, s: p.contents.get(s.checksum)),
    "stream": PortCall(call=_read_content),
    "delete": PortCall(call=lambda p, s: p.contents.delete(s.checksum)),
    "list_checksums": PortCall(call=lambda p, _: p.contents.list_checksums()),
    "remove_leftovers": PortCall(call=lambda p, _: p.contents.remove_leftovers()),
}

EVENT_FEED = {
    "follow_session": PortCall(
        call=lambda p, s: _first(p.feed.follow_session(s.id("ses")), _EVENTS)
    ),
    "aclose": PortCall(call=_close_feed),
    "follow_all": PortCall(call=lambda p, _: _first(p.feed.follow_all(), _EVENTS)),
    "get_latest_checkpoint": PortCall(call=lambda p, _: p.feed.get_latest_checkpoint()),
    "feed_lag": PortCall(call=lambda p, _: p.feed.feed_lag()),
    "list_consumers": PortCall(call=lambda p, _: p.feed.list_consumers()),
    "consumer": PortCall(call=_consume, is_atomic=False),
    "delete_consumer": PortCall(
        call=lambda p, s: p.feed.delete_consumer(s.id("con")), prepare=_consume
    ),
}

STATE_STORE = {
    "save_items": PortCall(call=lambda p, s: p.state.save_items(s.items("later"))),
    "get_items": PortCall(call=lambda p, s: p.state.get_items(s.id("scope"), ["a"])),
    "list_items": PortCall(call=lambda p, s: p.state.list_items(s.id("scope"))),
    "list_session_items": PortCall(
        call=lambda p, s: p.state.list_session_items(s.id("ses"))
    ),
    "delete_items": PortCall(
        call=lambda p, s: p.state.delete_items(s.id("scope"), prefix="")
    ),
    "delete_scope": PortCall(call=lambda p, s: p.state.delete_scope(s.id("scope"))),
}

TEXT_SEARCH = {
    "search_text": PortCall(
        call=lambda p, s: p.text_search.search_text("hello", session_id=s.id("ses"))
    ),
    "update": PortCall(call=lambda p, _: p.text_search.update(), prepare=_index_again),
    "following": PortCall(call=_keep_indexed, prepare=_index_again),
    "lag": PortCall(call=lambda p, _: p.text_search.lag()),
    "clear": PortCall(call=lambda p, _: p.text_search.clear()),
    "aclose": PortCall(call=_close_text_search),
}

_PORTS: Mapping[type[Any], Mapping[str, PortCall]] = MappingProxyType(
    {
        SessionStore: SESSION_STORE,
        StateStore: STATE_STORE,
        QueryAPI: QUERY_API,
        Maintenance: MAINTENANCE,
        ArtifactRegistry: ARTIFACT_REGISTRY,
        ArtifactStore: ARTIFACT_STORE,
        EventFeed: EVENT_FEED,
        TextSearch: TEXT_SEARCH,
    }
)

CALLS: Mapping[str, PortCall] = MappingProxyType(
    {
        f"{port.__name__}.{name}": case
        for port, cases in _PORTS.items()
        for name, case in cases.items()
    }
)
"""
By port and method; what is called in two ways has the second in brackets.
"""

DATABASE_CALLS: tuple[str, ...] = tuple(
    name for name in sorted(CALLS) if not name.startswith("ArtifactStore.")
)
"""
The names of those whose port knows a database.
"""
