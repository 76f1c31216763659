"""
Runs that are recorded by processes which may be killed, and what is left of them.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from asm_async import Event, EventType, Ports, Run
from asm_async.ports.session_store import SessionStore
from asm_async.ports.state_store import StateStore
from asm_async.recording import record_run, recover_interrupted_runs
from asm_async.recording.leases import RunItems

__all__ = [
    "INTERRUPTED",
    "LEASE_SECONDS",
    "check_runs",
    "ended_by_recoveries",
    "leave_ended",
    "ports_with",
    "record_one",
    "recover",
]

INTERRUPTED = "interrupted"

# Nobody recovers runs of recorders that live, which may be starved for so long.
LEASE_SECONDS = 0.5

_ENDS = {
    EventType.RUN_COMPLETED,
    EventType.RUN_FAILED,
    EventType.RUN_CANCELLED,
    EventType.RUN_TIMEOUT,
}


async def record_one(
    store: SessionStore,
    session_id: str,
    run_id: str,
    tell: Callable[[], object],
    *,
    turns: int = 1,
    pause: float = 0.0,
) -> None:
    """
    Record a run.

    Args:
        store: Where.

        session_id: Of which session.

        run_id: Its id.

        tell: Called whenever something of it is known to be stored.

        turns: How many turns it has.

        pause: How long, in seconds, each of them takes.
    """
    async with record_run(
        store, session_id, run_id=run_id, lease=LEASE_SECONDS, input=run_id
    ) as run:
        tell()
        for number in range(turns):
            await run.message_sent(f"question {number}")
            tell()
            await asyncio.sleep(pause)
            run.add_usage({"input_tokens": 2, "output_tokens": 1})
            await run.message_received(f"answer {number}")
            tell()
        run.set_output("done")
    tell()


def ports_with(ports: Ports, store: SessionStore) -> Ports:
    """
    Return ports whose session store is another one, over the same database.
    """
    return Ports(
        store=store,
        state=ports.state,
        query=ports.query,
        maintenance=ports.maintenance,
        feed=ports.feed,
        artifacts=ports.artifacts,
    )


async def recover(ports: Ports) -> list[str]:
    """
    End the runs of recorders that are dead, and return their ids.
    """
    report = await recover_interrupted_runs(ports, max_clock_skew=0)
    return [run.id for run in report.ended]


def leave_ended(directory: Path, name: str, ended: Sequence[str]) -> None:
    """
    Leave what a recovery of some name has ended where others find it.
    """
    (directory / f"{name}.recovered.json").write_text(json.dumps(ended), "utf-8")


def ended_by_recoveries(directory: Path) -> list[str]:
    """
    Return what all recoveries say that they have ended, one after the other.
    """
    paths = sorted(directory.glob("*.recovered.json"))
    return [id_ for path in paths for id_ in json.loads(path.read_text("utf-8"))]


async def check_runs(
    store: SessionStore,
    state: StateStore,
    session_ids: Collection[str],
    recovered: Sequence[str] = (),
) -> Counter[str]:
    """
    Assert that each run has one end, with its event, and has left no lease behind.

    Args:
        store: Where they are.

        state: Where their leases were.

        session_ids: Whose runs to look at.

        recovered: The ids of those that recoveries say they have ended.

    Returns:
        How many runs there are of each status, those that were recovered apart.
    """
    found: Counter[str] = Counter()
    interrupted: list[str] = []
    for session_id in session_ids:
        events: dict[str | None, list[Event]] = {}
        for event in await store.get_events(session_id):
            events.setdefault(event.run_id, []).append(event)
        for run in await store.list_runs(session_id):
            _check_end(run, events.pop(run.id, []))
            items = RunItems(session_id, run.id)
            keys = [items.lease[1], items.exclusive[1]]
            assert await state.get_items(items.scope, keys) == {}, run
            is_interrupted = run.error is not None and run.error["code"] == INTERRUPTED
            interrupted += [run.id] if is_interrupted else []
            found[INTERRUPTED if is_interrupted else str(run.status)] += 1
        assert set(events) <= {None}, f"events without their run: {set(events)}"
    assert sorted(recovered) == sorted(interrupted)
    return found


def _check_end(run: Run, events: Sequence[Event]) -> None:
    """
    Assert that a run has begun, and has ended once, in its status and in the log.
    """
    assert run.status.is_over, run
    assert events[0].type == EventType.RUN_STARTED, run
    ends = [event for event in events if event.type in _ENDS]
    assert [event.type for event in ends] == [f"run_{run.status}"], (run, ends)
    assert ends == [events[-1]], (run, events)
    assert ends[0].timestamp == run.ended_at, (run, ends)
