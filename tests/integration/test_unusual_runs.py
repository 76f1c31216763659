"""
Saves of runs that are unusual: they come to what reading first makes of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from asm_async.sql import SQLPorts
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.changes import Changes, Committed
from asm_async.values.fields import MAX_COUNT
from asm_async.values.run import Run, RunStatus
from tests.integration.both_ways import Call, check_both_ways, outcomes_of
from tests.integration.test_fast_path import UNIT

RUNNING, DONE = RunStatus.RUNNING, RunStatus.COMPLETED


class Saves:
    """
    Saves of runs of two sessions, and what came of them.

    Args:
        ports: Where to.

        name: What all ids begin with.
    """

    def __init__(self, ports: SQLPorts, name: str) -> None:
        self.ports = ports
        self.name = name
        self.mine = f"{name} mine"
        self.other = f"{name} other"
        self.told: list[str] = []

    async def make_sessions(self) -> None:
        """
        Make the two sessions, of one tenant.
        """
        for id_ in (self.mine, self.other):
            await self.ports.store.save_session(
                make_session(id=id_, tenant_id="tenant")
            )

    def run(self, id_: str = "run", **fields: Any) -> Run:
        """
        Make a run of the first session.
        """
        given: dict[str, Any] = {"id": f"{self.name} {id_}", "session_id": self.mine}
        return make_run(**given | fields)

    def commit(
        self,
        *runs: Run,
        revision: int | None = None,
        events: Sequence[str] = (),
        data: Mapping[str, Any] | None = None,
        **expected: Any,
    ) -> Call:
        """
        Make a commit of runs and of events with these ids.

        Args:
            runs: The runs, of one session.

            revision: That of the first, if one is expected.

            events: Their ids.

            data: Theirs, if it shall not be as always.

            expected: What else is expected.
        """
        made = [
            make_event(id=id_, session_id=runs[0].session_id)
            if data is None
            else make_event(id=id_, session_id=runs[0].session_id, data=data)
            for id_ in events
        ]
        if revision is not None:
            expected["expected_revisions"] = {runs[0].id: revision}
        changes = Changes(runs=runs, events=tuple(made))
        return partial(self.ports.store.commit, changes, **expected)

    async def tell(self, *calls: Call) -> None:
        """
        Note what comes of calls that are made at once, and what is there then.
        """
        for each in await outcomes_of(calls):
            told = each
            if isinstance(each, Committed):
                # A session has the time at which it was saved.
                told = attrs.evolve(each, session=None)
            self.told.append(f"{type(told).__name__} {told}")
        store = self.ports.store
        for session_id in (self.mine, self.other):
            self.told.append(str(await store.list_runs(session_id)))
            self.told.append(str(await store.get_events(session_id)))

    async def spoil(self, statement: str) -> None:
        """
        Change the database past the store, the run or the session by its id.
        """
        values = {"run": f"{self.name} run", "mine": self.mine}
        async with self.ports.engine.begin() as conn:
            await conn.execute(sa.text(statement), values)


async def begun(ports: SQLPorts, name: str) -> Saves:
    """
    Make saves, and their sessions.
    """
    saves = Saves(ports, name)
    await saves.make_sessions()
    return saves


async def repetitions(saves: Saves) -> None:
    """
    Repeat operations, with the same and with other content.
    """
    run, commit = saves.run, saves.commit
    for call in (
        commit(run(), events=["a"], operation_id="begin"),
        commit(run(), events=["a"], operation_id="begin"),
        commit(run(), operation_id="begin"),
        commit(run(turn_count=9), operation_id="begin"),
        commit(run(turn_count=9), events=["a"], operation_id="begin"),
        commit(run(), revision=1, operation_id="begin"),
        commit(run(turn_count=9), revision=1, operation_id="begin"),
        commit(run(turn_count=9, revision=1), operation_id="begin"),
        commit(run(), revision=0, operation_id="again"),
        commit(run(turn_count=1)),
        commit(run(status=RUNNING), revision=1, events=["b"]),
        commit(run(status=RUNNING), revision=2, events=["b"], operation_id="step"),
        commit(run(status=RUNNING), revision=2, events=["b"], operation_id="step"),
        commit(run(status=RUNNING), revision=2, operation_id="step"),
        commit(run(status=RUNNING), revision=2, events=["b"], operation_id="late"),
        commit(run("new"), events=["a"]),
        commit(run("newer"), events=["b", "c"], data={}),
    ):
        await saves.tell(call)


async def taken_ids(saves: Saves) -> None:
    """
    Save runs whose ids are another session's, or whose sessions are not there.
    """
    run, commit, other = saves.run, saves.commit, saves.other
    split = f"{saves.mine}{UNIT[1:]}"
    await saves.ports.store.save_session(make_session(id=split))
    for call in (
        commit(run(status=RUNNING), events=["a"]),
        commit(run("split", session_id=split)),
        commit(run("split", session_id=split), revision=1, events=["a"]),
        commit(run(session_id=other), events=["a"]),
        commit(run(session_id=other), revision=0),
        commit(run(session_id=other, status=RUNNING), revision=1),
        commit(run(session_id=other), expected_tenant="tenant"),
        commit(run(session_id=other, revision=1)),
        commit(run("x", session_id=other), run(session_id=other), events=["x"]),
        commit(run("y"), events=["f"], expected_tenant="theirs"),
        commit(run(status=RUNNING), revision=1, expected_tenant="theirs"),
        commit(run(status=RUNNING), revision=1, expected_tenant="tenant"),
        commit(run("none"), revision=1, events=["g"]),
        commit(run("none", revision=1)),
        commit(run("z", session_id="none"), events=["g"]),
        commit(run("z", session_id="none"), revision=1),
        commit(run("z", session_id="none"), expected_tenant="tenant"),
        commit(run(UNIT)),
        commit(run(UNIT, provider=UNIT), revision=1),
        commit(run(UNIT, provider=UNIT), revision=1),
    ):
        await saves.tell(call)
    for state in ("soft_deleted", "deleting", "importing"):
        await saves.spoil(
            f"UPDATE asm_session_sequences SET state = '{state}'"  # noqa: S608 - one of three
            " WHERE session_id = :mine"
        )
        await saves.tell(commit(run("y")))
        await saves.tell(commit(run(status=RUNNING), revision=2, events=["h"]))


async def successions(saves: Saves) -> None:
    """
    Save runs behind others: statuses, numbers, and the last revision.
    """
    run, commit = saves.run, saves.commit
    for call in (
        commit(run(status=RUNNING), events=["a"]),
        commit(run(), revision=1),
        commit(run(), run("p"), revision=1, events=["b"]),
        commit(run("y"), expected_sequence=99),
        commit(run("y"), events=["f"], expected_sequence=99),
        commit(run("y"), expected_sequence=1),
        commit(run(status=RUNNING), revision=1, expected_sequence=0),
        commit(run(status=RUNNING), revision=1, expected_sequence=1),
        commit(run(status=RUNNING), run("p"), revision=2, events=["h"]),
        commit(run(status=DONE), run("p"), revision=3, events=["i"]),
        commit(run(status=RUNNING), revision=4),
        commit(run(status=RunStatus.FAILED, revision=4)),
        commit(run(status=DONE, turn_count=1), revision=4),
    ):
        await saves.tell(call)
    for revision in (MAX_COUNT - 1, MAX_COUNT):
        await saves.spoil(
            f"UPDATE asm_runs SET revision = {revision} WHERE id = :run"  # noqa: S608 - a number
        )
        await saves.tell(commit(run(status=DONE), revision=revision))
        await saves.tell(commit(run(status=DONE, revision=1), events=["j"]))


async def afterlives(saves: Saves) -> None:
    """
    Save runs whose ids were those of runs that were removed.
    """
    run, commit, store = saves.run, saves.commit, saves.ports.store
    for revision in range(3):
        await saves.tell(commit(run(), revision=revision))
    await store.delete_session(saves.mine)
    await saves.tell(commit(run()))
    await saves.tell(commit(run(session_id=saves.other), revision=0, events=["a"]))
    await saves.tell(commit(run(session_id=saves.other), revision=4, events=["b"]))
    await store.delete_session(saves.other)
    await saves.make_sessions()
    await saves.tell(commit(run(), events=["c"]))
    await saves.tell(commit(run(), revision=6))
    await saves.tell(commit(run(), revision=1))


async def groups(saves: Saves) -> None:
    """
    Make calls of one group that touch the same runs and sessions.
    """
    run, commit, store = saves.run, saves.commit, saves.ports.store
    new = f"{saves.name} new"
    session = make_session(id=new, tenant_id="tenant")
    expecting = Changes(events=(make_event(id="e", session_id=saves.mine),))
    await saves.tell(commit(run()), commit(run(turn_count=1)))
    await saves.tell(commit(run("a")), commit(run("a"), revision=1, events=["a"]))
    await saves.tell(
        commit(run(), revision=2),
        partial(store.commit, expecting, expected_revisions={run().id: 3}),
        commit(run(turn_count=2), revision=3),
    )
    await saves.tell(
        partial(store.commit, expecting, expected_revisions={run().id: 4}),
        commit(run(turn_count=3), revision=4, events=["f"]),
    )
    stale = Changes(events=(make_event(id="stale", session_id=saves.mine),))
    await saves.tell(
        commit(run(), revision=5),
        partial(store.commit, stale, expected_revisions={run().id: 5}),
    )
    named = make_session(id=saves.mine, tenant_id="tenant", user_id="me")
    await saves.tell(
        partial(store.commit, Changes(session=named, runs=(run("named"),))),
        commit(run("nameless")),
    )
    assert (await store.get_session(saves.mine)).user_id == "me"
    await saves.tell(
        partial(store.commit, Changes(session=session, runs=(run(session_id=new),))),
        commit(run("b"), events=["b"]),
        partial(
            store.commit,
            Changes(session=session, runs=(run("c", session_id=new),)),
        ),
        commit(run("c"), events=["c"]),
        commit(run("d", session_id=new), events=["d"]),
        commit(run("b", turn_count=1), revision=1),
        commit(run("b", turn_count=1), revision=9),
    )
    await saves.tell(
        partial(store.append_events, [make_event(id="g", session_id=saves.mine)]),
        commit(run("h"), events=["g", "h"]),
        partial(store.append_events, [make_event(id="i", session_id=saves.mine)]),
        commit(run("i"), expected_sequence=7),
        commit(run("j"), expected_sequence=8),
    )


@pytest.mark.parametrize(
    "save", [repetitions, taken_ids, successions, afterlives, groups]
)
async def test_what_is_unusual_comes_to_the_same(
    url: str, monkeypatch: pytest.MonkeyPatch, save: Callable[[Saves], Awaitable[None]]
) -> None:
    """
    Each save gets what it gets where all is read first, and leaves the same behind.
    """
    await check_both_ways(url, monkeypatch, begun, save)


@pytest.mark.postgres
@pytest.mark.parametrize("save", [taken_ids, groups])
async def test_in_partitions_it_comes_to_the_same(
    partitioned_url: str,
    monkeypatch: pytest.MonkeyPatch,
    save: Callable[[Saves], Awaitable[None]],
) -> None:
    """
    The ids of runs are unique in all partitions together.
    """
    await check_both_ways(partitioned_url, monkeypatch, begun, save)
