"""
The store's single calls: what each takes of the processor, and all of them mixed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from time import perf_counter, process_time
from typing import Any, TypeAlias

from asm_async import ExecutionResult, Run, RunStatus, Session
from benchmarks.contenders import Store, new_event, session_name
from benchmarks.measure import Sample

__all__ = ["OPERATIONS", "mixed_load", "processor_time"]

Call: TypeAlias = Callable[[], Awaitable[Any]]

APPENDS_PER_CYCLE = 10
_LAST = 50


async def mixed_load(contender: Store, agents: Sequence[int], seconds: float) -> Sample:
    """
    Let every agent save a run, append ten events, flush, and begin anew.

    Returns:
        How many calls were made; each agent ends the cycle that it is in when the time
        is over.
    """
    start, calls = perf_counter(), 0

    async def work(agent: int) -> None:
        nonlocal calls
        session = Session.new(agent_id="bench", id=session_name(agent))
        while perf_counter() < start + seconds:
            run = Run.new(session_id=session.id).update_status(RunStatus.RUNNING)
            await contender.store.save_run(run)
            for _ in range(APPENDS_PER_CYCLE):
                await contender.append(agent, contender.payloads.next())
            await contender.store.flush(_result(contender, agent, session, run))
            calls += APPENDS_PER_CYCLE + 2

    await asyncio.gather(*map(work, agents))
    return Sample(count=calls, seconds=perf_counter() - start)


def _result(
    contender: Store, agent: int, session: Session, run: Run
) -> ExecutionResult:
    event = new_event(agent, contender.payloads.next())
    return ExecutionResult(
        session=session, run=run.set_output({"text": "done"}), events=(event,)
    )


async def processor_time(contender: Store, operation: str, calls: int) -> Sample:
    """
    Make one call after the other, with what they take made before the clock starts.

    Returns:
        The processor's seconds of all threads; the latencies are those of the wall.
    """
    latencies: list[float] = []
    prepared = await OPERATIONS[operation](contender, calls)
    begun = process_time()
    for call in prepared:
        start = perf_counter()
        await call()
        latencies.append(perf_counter() - start)
    seconds = process_time() - begun
    return Sample(count=calls, seconds=seconds, latencies=latencies)


async def _flush(contender: Store, calls: int) -> list[Call]:
    session = Session.new(agent_id="bench", id=session_name(0))
    runs = [Run.new(session_id=session.id) for _ in range(calls)]
    results = [_result(contender, 0, session, run) for run in runs]
    return [partial(contender.store.flush, result) for result in results]


async def _save_session(contender: Store, calls: int) -> list[Call]:
    sessions = [Session.new(agent_id="bench") for _ in range(calls // 2)]
    twice = chain.from_iterable((one, one) for one in sessions)
    return [partial(contender.store.save_session, one) for one in twice]


async def _save_run(contender: Store, calls: int) -> list[Call]:
    runs = [Run.new(session_id=session_name(0)) for _ in range(calls // 2)]
    begun_and_over = chain.from_iterable((run, run.set_output("done")) for run in runs)
    return [partial(contender.store.save_run, run) for run in begun_and_over]


async def _append(contender: Store, calls: int) -> list[Call]:
    append = contender.store.append_event_with_sequence
    events = [new_event(0, data) for data in contender.payloads.many(calls)]
    return [partial(append, event) for event in events]


async def _append_expecting(contender: Store, calls: int) -> list[Call]:
    append = contender.store.append_event_with_sequence
    latest = await contender.store.get_latest_sequence(session_name(0))
    events = [new_event(0, data) for data in contender.payloads.many(calls)]
    return [
        partial(append, event, expected_sequence=number)
        for number, event in enumerate(events, latest)
    ]


async def _append_again(contender: Store, calls: int) -> list[Call]:
    events = [new_event(0, data) for data in contender.payloads.many(calls)]
    await contender.store.append_events(events)
    append = contender.store.append_event_with_sequence
    return [partial(append, event) for event in events]


async def _get_session(contender: Store, calls: int) -> list[Call]:
    return [partial(contender.store.get_session, session_name(0))] * calls


async def _get_last_events(contender: Store, calls: int) -> list[Call]:
    events = [new_event(0, data) for data in contender.payloads.many(_LAST)]
    await contender.store.append_events(events)
    return [partial(contender.store.get_events, session_name(0), last=_LAST)] * calls


async def _list_sessions(contender: Store, calls: int) -> list[Call]:
    return [partial(contender.store.list_sessions, limit=_LAST)] * calls


OPERATIONS: dict[str, Callable[[Store, int], Awaitable[list[Call]]]] = {
    "flush": _flush,
    "save_session": _save_session,
    "save_run": _save_run,
    "append": _append,
    "append with expected_sequence": _append_expecting,
    "append repeated": _append_again,
    "get_session": _get_session,
    "get_events(last=50)": _get_last_events,
    "list_sessions(limit=50)": _list_sessions,
}
