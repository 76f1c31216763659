"""
Saves of sessions that are unusual: they come to what reading first makes of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import attrs
import pytest
import sqlalchemy as sa

from asm_async.sql import SQLPorts
from asm_async.testing.factories import (
    make_artifact,
    make_event,
    make_item,
    make_run,
    make_session,
)
from asm_async.values import ids
from asm_async.values.changes import Changes, Committed
from asm_async.values.event import Event
from asm_async.values.execution_result import ExecutionResult
from asm_async.values.fields import MAX_COUNT
from asm_async.values.session import Session, SessionStatus
from tests.integration.both_ways import Call, check_both_ways, outcomes_of
from tests.integration.test_fast_path import AWKWARD_IDS, UNIT

ACTIVE, DONE = SessionStatus.ACTIVE, SessionStatus.COMPLETED

_ROWS = (
    """
    SELECT session_id, last_sequence, pruned_count, state, tenant_id, session_revision,
        active_until >= updated_at
    FROM asm_session_sequences WHERE session_id LIKE :name ORDER BY session_id
    """,
    """
    SELECT session_id, tag FROM asm_session_tags
    WHERE session_id LIKE :name ORDER BY session_id, tag
    """,
    """
    SELECT session_id, sequence_number, id FROM asm_events
    WHERE session_id LIKE :name ORDER BY session_id, sequence_number
    """,
    """
    SELECT session_id, id, revision FROM asm_runs
    WHERE session_id LIKE :name ORDER BY session_id, id
    """,
)


class Saves:
    """
    Saves of sessions, and what came of them.

    Args:
        ports: Where to.

        name: What all ids begin with.
    """

    def __init__(self, ports: SQLPorts, name: str) -> None:
        self.ports = ports
        self.name = name
        self.told: list[str] = []

    def session(self, id_: str = "s", **fields: Any) -> Session:
        """
        Make a session.
        """
        return make_session(**{"id": f"{self.name} {id_}"} | fields)

    def save(self, id_: str = "s", revision: int | None = None, **fields: Any) -> Call:
        """
        Make a save of a session alone.
        """
        expected = {
            name: fields.pop(name)
            for name in ("operation_id", "expected_tenant")
            if name in fields
        }
        return partial(
            self.ports.store.save_session,
            self.session(id_, **fields),
            expected_revision=revision,
            **expected,
        )

    def flush(
        self,
        *events: str,
        id_: str = "s",
        run: str | None = None,
        of: dict[str, Any] | None = None,
        **expected: Any,
    ) -> Call:
        """
        Make a flush of a session, perhaps with a run, and of events with these ids.
        """
        session = self.session(id_, **of or {})
        result = ExecutionResult(
            session=session,
            run=None
            if run is None
            else make_run(id=f"{self.name} {run}", session_id=session.id),
            events=tuple(make_event(id=each, session_id=session.id) for each in events),
        )
        return partial(self.ports.store.flush, result, **expected)

    def append(self, event_id: str, id_: str = "s", **expected: Any) -> Call:
        """
        Make an append of one event.
        """
        event = make_event(id=event_id, session_id=f"{self.name} {id_}")
        return partial(self.ports.store.append_events, [event], **expected)

    async def tell(self, *calls: Call) -> None:
        """
        Note what comes of calls that are made at once, and what is there then.
        """
        for each in await outcomes_of(calls):
            self.told.append(f"{type(each).__name__} {await self._timeless(each)}")
        for session in await self.ports.store.list_sessions(limit=100):
            if session.id.startswith(f"{self.name} "):
                self.told.append(str(session.with_given(session.revision, None)))
        async with self.ports.engine.connect() as conn:
            for query in _ROWS:
                rows = await conn.execute(sa.text(query), {"name": f"{self.name} %"})
                self.told += map(str, rows)

    async def _timeless(self, found: object) -> object:
        """
        Leave out what is counted for all, and times, of which some must be stored.
        """
        if isinstance(found, Session):
            stored = await self.ports.store.get_session(found.id)
            assert found.last_activity_at is not None
            assert stored.last_activity_at is not None
            assert found.last_activity_at <= stored.last_activity_at
            return found.with_given(found.revision, None)
        if isinstance(found, ExecutionResult | Committed) and found.session is not None:
            session = await self._timeless(found.session)
            assert isinstance(session, Session)
            found = attrs.evolve(found, session=session)
        if isinstance(found, Committed):
            return attrs.evolve(found, items=len(found.items) * (make_item(),))
        if isinstance(found, list):
            of_any = cast("list[object]", found)
            return [each for each in of_any if isinstance(each, Event)]
        return found

    async def spoil(self, change: str) -> None:
        """
        Change rows of the first session past the store.
        """
        async with self.ports.engine.begin() as conn:
            await conn.execute(sa.text(change), {"id": f"{self.name} s"})


async def begun(ports: SQLPorts, name: str) -> Saves:
    """
    Make saves; nothing is there yet.
    """
    return Saves(ports, name)


@pytest.fixture(autouse=True)
def known_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Have what follows another tenant's session leave out a number that is known.
    """
    monkeypatch.setattr(ids, "random_gap", lambda: 5)


async def repetitions(saves: Saves) -> None:
    """
    Repeat operations, with the same and with other content.
    """
    save, flush, commit = saves.save, saves.flush, saves.ports.store.commit
    made = saves.session("made")

    def create(event_id: str, **changes: Any) -> Call:
        event = make_event(id=event_id, session_id=made.id)
        fields: dict[str, Any] = {"create_session": made, "events": (event,)}
        return partial(commit, Changes(**fields | changes), operation_id="create")

    artifact = make_artifact(id=made.id, key=made.id, session_id=made.id)
    for call in (
        save(operation_id="begin"),
        save(operation_id="begin"),
        save(operation_id="begin", user_id="other"),
        save(operation_id="begin", revision=0),
        save(operation_id="begin", revision=1, user_id="other"),
        flush("a", operation_id="begin"),
        flush("a", run="r", operation_id="step"),
        flush("a", run="r", operation_id="step"),
        flush("a", "b", run="r", operation_id="step"),
        flush(run="r", operation_id="step", of={"user_id": "other"}),
        flush("b", run="r", operation_id="late", expected_revision=2),
        flush("b", run="r", operation_id="late", expected_revision=2),
        flush("b", expected_sequence=1),
        flush("b", expected_sequence=1),
        flush("b", run="r", expected_sequence=1, expected_revision=3),
        flush("a", id_="new", operation_id="new"),
        flush("a", id_="new", operation_id="new"),
        flush("a", "b", id_="new", operation_id="new"),
        flush("a"),
        flush("x", "x"),
        save(operation_id="begin"),
        create("a"),
        create("a"),
        create("b"),
        create("b", create_session=None, artifacts=(artifact,)),
        create("b", create_session=None, session=made, artifacts=(artifact,)),
    ):
        await saves.tell(call)


async def expectations(saves: Saves) -> None:
    """
    Save sessions behind others: revisions, numbers, statuses, and the last revision.
    """
    save, flush = saves.save, saves.flush
    for call in (
        save(revision=1),
        flush("a", expected_sequence=1),
        flush("a", run="r", expected_sequence=0),
        save(revision=0),
        save(revision=2),
        save(revision=1, status=ACTIVE),
        save(revision=2, status=SessionStatus.PENDING),
        flush("b", of={"status": SessionStatus.PENDING}),
        flush("b", expected_sequence=0, of={"status": ACTIVE}),
        flush("b", expected_sequence=1, of={"status": ACTIVE}),
        flush("c", run="r", expected_revision=3, of={"status": DONE}),
        flush("d", of={"status": ACTIVE}),
        flush("d", of={"status": DONE, "context": {"a": [1, None, "\ud800"]}}),
        flush(id_="newest", expected_sequence=9),
        save(id_="new", revision=0, parent_session_id="none"),
        save(id_="newer", parent_session_id=f"{saves.name} new", status=DONE),
        save(id_="newer", created_at=make_session().created_at, agent_id="another"),
    ):
        await saves.tell(call)
    for revision in (MAX_COUNT - 1, MAX_COUNT):
        await saves.spoil(
            f"UPDATE asm_sessions SET revision = {revision} WHERE id = :id"  # noqa: S608 - a number
        )
        await saves.tell(save(status=DONE, revision=revision))
        await saves.tell(flush("e", of={"status": DONE}))
    for number in (MAX_COUNT - 1, MAX_COUNT):
        await saves.spoil(
            "UPDATE asm_sessions SET revision = 9 WHERE id = :id",
        )
        await saves.spoil(
            f"UPDATE asm_session_sequences SET last_sequence = {number}"  # noqa: S608 - a number
            " WHERE session_id = :id"
        )
        await saves.tell(flush(f"f{number}", of={"status": DONE}))


async def members(saves: Saves) -> None:
    """
    Change what is written to other tables too: tenants and tags.
    """
    save, flush = saves.save, saves.flush
    for call in (
        save(tags=("a", "b")),
        save(tags=("a", "b")),
        save(tags=("b", "a")),
        save(tags=("b", *AWKWARD_IDS)),
        flush("a", of={"tags": ("c",)}),
        save(),
        save(tags=("c",), revision=6),
        save(id_="tagged", tags=AWKWARD_IDS, user_id=UNIT),
        flush("a", run="r", id_="tagged too", of={"tags": ("a", "b")}),
        save(tenant_id="mine"),
        save(tenant_id="mine", expected_tenant="mine"),
        save(tenant_id="theirs", expected_tenant="theirs"),
        save(tenant_id="theirs"),
        flush("b", of={"tenant_id": "mine"}, expected_tenant="mine"),
        flush("b", of={"tenant_id": "theirs"}, expected_tenant="theirs"),
        saves.append("c", expected_tenant="mine"),
        saves.append("c", expected_tenant="theirs"),
        save(id_="new", tenant_id="mine", expected_tenant="mine"),
        flush("c", id_="new", of={"tenant_id": "mine"}, expected_tenant="mine"),
        save(tenant_id=None),
    ):
        await saves.tell(call)


async def separators(saves: Saves) -> None:
    """
    Save sessions whose texts hold what separates texts, beside those that they are of.
    """
    save, flush = saves.save, saves.flush
    part = UNIT[0]
    for call in (
        save(part),
        save(UNIT),
        save(UNIT, status=ACTIVE, context={UNIT: UNIT}),
        flush("a", id_=UNIT, run=UNIT, of={"user_id": UNIT}),
        flush("a", id_=part, run=part, of={"agent_id": UNIT}),
        save(part, tenant_id=UNIT),
        save(part, tenant_id=UNIT, parent_session_id=UNIT, operation_id=UNIT),
        save(part, tenant_id=UNIT, parent_session_id=UNIT, operation_id=UNIT),
        save("new", tenant_id=UNIT, expected_tenant=UNIT),
        flush("b", id_="newer", of={"user_id": UNIT, "tenant_id": UNIT}),
    ):
        await saves.tell(call)


async def afterlives(saves: Saves) -> None:
    """
    Save sessions that are hidden, and those whose ids were those of removed ones.
    """
    save, flush, store = saves.save, saves.flush, saves.ports.store
    of: dict[str, Any] = {"tenant_id": "mine"}
    await saves.tell(flush("a", run="r", of=of))
    for state in ("soft_deleted", "deleting", "importing"):
        await saves.spoil(
            f"UPDATE asm_session_sequences SET state = '{state}'"  # noqa: S608 - one of three
            " WHERE session_id = :id"
        )
        await saves.tell(save(**of))
        await saves.tell(save(revision=1, **of))
        await saves.tell(flush("b", run="r", of=of, expected_tenant="mine"))
    await saves.spoil(
        "UPDATE asm_session_sequences SET state = 'live' WHERE session_id = :id"
    )
    for call in (
        save(**of),
        flush("b", run="r", of=of),
        save(revision=0, **of),
        save(tenant_id="theirs"),
        flush("c", of={"tenant_id": "theirs"}, expected_sequence=0),
    ):
        await store.delete_session(f"{saves.name} s")
        await saves.tell(saves.append("gone"))
        await saves.tell(save(revision=1, **of))
        await saves.tell(call)
        await saves.tell(save(revision=1, **of))
    # A counter row is left behind, and what it counts goes on.
    await saves.tell(save(**of))
    await saves.spoil("DELETE FROM asm_sessions WHERE id = :id")
    await saves.spoil(
        "UPDATE asm_session_sequences SET session_revision = 50 WHERE session_id = :id"
    )
    await saves.tell(flush("d", of=of))


async def groups(saves: Saves) -> None:
    """
    Make calls of one group that touch the same sessions.
    """
    save, flush, append = saves.save, saves.flush, saves.append
    store, state = saves.ports.store, saves.ports.state
    # What is opened at its first call would come late.
    await state.list_items(saves.name)
    await saves.tell(save(), save(user_id="me"), save(revision=2), save(revision=2))

    def of_run(run: str, id_: str = "s", **changes: Any) -> Call:
        made = make_run(id=f"{saves.name} {run}", session_id=f"{saves.name} {id_}")
        return partial(store.commit, Changes(runs=(made,), **changes))

    def item(key: str, id_: str) -> Call:
        made = make_item(scope=saves.name, key=key, session_id=f"{saves.name} {id_}")
        return partial(state.save_items, [made])

    late_calls: list[Call] = [
        append("before", id_="late 0"),
        of_run("before", id_="late 1"),
        item("before", id_="late 2"),
        append("before", id_="late 3", expected_sequence=0),
        append("before", id_="late 4", expected_tenant="mine"),
        save("late 5", revision=1),
        partial(
            store.commit,
            Changes(create_session=saves.session("late 6", user_id="first")),
        ),
    ]
    for number, late in enumerate(late_calls):
        id_ = f"late {number}"
        await saves.tell(
            append(f"beside {number}"),
            late,
            save(id_, tenant_id="mine"),
            append("after", id_=id_),
            of_run(f"after {number}", id_=id_),
            item(f"after {number}", id_=id_),
            append("expecting", id_=id_, expected_tenant="mine"),
            append("wrong", id_=id_, expected_tenant="theirs"),
        )
    await saves.tell(
        append("a"),
        flush("b", run="b", expected_sequence=9),
        flush("c", run="b", expected_sequence=8),
        append("d", expected_sequence=9),
        flush("e", run="b"),
    )
    await saves.tell(
        append("x0"),
        flush("x", run="x"),
        flush("x", run="x", id_="another"),
        append("x", id_="other"),
        save("other"),
        flush("y", run="y", id_="other"),
        of_run("x"),
    )
    created = Changes(
        create_session=saves.session("created"),
        events=(make_event(session_id=f"{saves.name} created"),),
    )
    await saves.tell(
        partial(store.commit, created),
        partial(store.commit, created),
        save("created", user_id="me"),
        append("created", id_="created"),
    )
    with_item = Changes(
        session=saves.session("owner"),
        items=(make_item(scope=saves.name, session_id=f"{saves.name} owner"),),
    )
    await saves.tell(
        append("before owner"), partial(store.commit, with_item), item("o", "owner")
    )
    stored = await state.list_items(saves.name)
    saves.told.append(str([(each.key, each.session_id) for each in stored]))


@pytest.mark.parametrize(
    "save",
    [repetitions, expectations, members, separators, afterlives, groups],
)
async def test_what_is_unusual_comes_to_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch, save: Callable[[Saves], Awaitable[None]]
) -> None:
    """
    Each save gets what it gets where all is read first, and leaves the same behind.
    """
    await check_both_ways(url, monkeypatch, begun, save)


@pytest.mark.postgres
@pytest.mark.parametrize("save", [members, groups])
async def test_in_partitions_it_comes_to_the_same(
    partitioned_url: str,
    monkeypatch: pytest.MonkeyPatch,
    save: Callable[[Saves], Awaitable[None]],
) -> None:
    """
    Wherever a session's events are.
    """
    await check_both_ways(partitioned_url, monkeypatch, begun, save)
