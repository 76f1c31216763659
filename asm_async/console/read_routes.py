"""
Routes that read: what each answers is described in :mod:`asm_async.console.answers`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePath
from typing import Annotated, get_args

import attrs
from fastapi import Query, Response

import asm_async
from asm_async.console import finding, lineage, rows, saying, sums, windows
from asm_async.console import sessions as displayed
from asm_async.console.access import Reader, ReaderDep, RunId, Sequence, SessionId
from asm_async.console.answers import About, Database, RowList, RunState
from asm_async.console.cuts import Cutter, time_text
from asm_async.console.entry_answers import Place
from asm_async.console.parameters import (
    MAX_WORDS_LENGTH,
    RunFiltersDep,
    SessionFiltersDep,
    Words,
)
from asm_async.console.runs import RunStates, run_answer
from asm_async.console.search import list_rows, words_of
from asm_async.errors import NotFoundError, ValidationError
from asm_async.integrations.fastapi.parameters import (
    MAX_PAGE_SIZE,
    MAX_VALUES,
    Cursor,
    Limit,
    TenantId,
    Text,
    Time,
)
from asm_async.integrations.fastapi.responses import json_response
from asm_async.ports.query_api import TimeBucket, UsageDimension
from asm_async.values.fields import MAX_COUNT
from asm_async.values.session import SessionStatus

_MAX_GROUPINGS = 2


async def get_about(reader: ReaderDep) -> Response:
    """
    Say what the page is to know of its server.
    """
    is_operator = reader.tenant_id is None
    about: About = {
        "version": asm_async.__version__,
        "read_only": reader.read_only,
        "tenant_id": reader.tenant_id,
        "is_operator": is_operator,
        "database": database_of(reader),
        "now": time_text(datetime.now(UTC)),
        "has_prices": reader.price_lookup is not None,
        "max_page": MAX_PAGE_SIZE,
        "max_window": windows.MAX_WINDOW,
        "session_statuses": [status.value for status in SessionStatus],
        "run_states": list(get_args(RunState)),
    }
    return json_response(about)


def database_of(reader: Reader) -> Database:
    """
    Say which database it is: its file, or its host and name, to operators alone.
    """
    if reader.engine is None:
        return {"kind": "memory", "name": None}
    url = reader.engine.url
    name = PurePath(url.database or "").name
    shown = "/".join(filter(None, [url.host, name])) or None
    is_operator = reader.tenant_id is None
    kind = url.get_backend_name()
    return {"kind": kind, "name": shown if is_operator else None}


async def list_sessions(
    *,
    reader: ReaderDep,
    filters: SessionFiltersDep,
    q: Words = None,
    count: bool = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    List sessions, latest activity first.
    """
    wanted = attrs.evolve(filters, words=words_of(q))
    page = await list_rows(reader, wanted, limit=limit, cursor=cursor, count=count)
    return json_response(page)


async def find_texts(
    *,
    reader: ReaderDep,
    q: Annotated[str, Query(max_length=MAX_WORDS_LENGTH)],
    agent_id: Text = None,
    user_id: Text = None,
    tenant_id: TenantId = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """
    Find what was said in all sessions.
    """
    page = await saying.find_texts(
        reader,
        q,
        agent_id=agent_id,
        user_id=user_id,
        tenant_id=tenant_id,
        limit=limit,
        cursor=cursor,
    )
    return json_response(page)


async def list_rows_by_id(
    reader: ReaderDep,
    session_id: Annotated[list[str] | None, Query(max_length=MAX_VALUES)] = None,
) -> Response:
    """
    Describe some sessions again, those that are there.
    """
    found: RowList = {"items": []}
    for each in session_id or []:
        try:
            session = await reader.view.get_session(each)
        except NotFoundError:
            continue
        found["items"] += await rows.rows_of(reader, [session])
    return json_response(found)


async def get_session(reader: ReaderDep, session_id: SessionId) -> Response:
    """
    Describe one session.
    """
    return json_response(await displayed.session_answer(reader, session_id))


async def list_runs(
    *,
    reader: ReaderDep,
    session_id: SessionId,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """
    List a session's runs, the latest first.
    """
    page = await displayed.run_page(reader, session_id, limit=limit, cursor=cursor)
    return json_response(page)


async def get_run(reader: ReaderDep, session_id: SessionId, run_id: RunId) -> Response:
    """
    Describe one run, with nothing cut.
    """
    run = await reader.view.get_run(session_id, run_id)
    states = await RunStates.of(reader.ports.state, [run])
    return json_response(run_answer(run, states, reader.price_lookup, Cutter()))


async def get_tree(reader: ReaderDep, session_id: SessionId) -> Response:
    """
    Show what a session comes from, and what comes from it.
    """
    return json_response(await lineage.tree_of(reader, session_id))


async def list_entries(
    *,
    reader: ReaderDep,
    session_id: SessionId,
    first: Sequence = 1,
    limit: Annotated[int, Query(ge=0, le=windows.MAX_WINDOW)] = 100,
    last: Annotated[int | None, Query(ge=1, le=windows.MAX_WINDOW)] = None,
) -> Response:
    """
    Show a window on a session's events.
    """
    if last is not None:
        bounds = await windows.bounds_of(reader, session_id)
        first, limit = max(1, bounds.latest - last + 1), last
    found = await windows.window(reader, session_id, first=first, limit=limit)
    return json_response(found)


async def get_event(
    reader: ReaderDep, session_id: SessionId, sequence: Sequence
) -> Response:
    """
    Show one event whole.
    """
    return json_response(await windows.whole_event(reader, session_id, sequence))


async def find_in_session(
    *,
    reader: ReaderDep,
    session_id: SessionId,
    q: Words = None,
    after: Annotated[int, Query(ge=0, le=MAX_COUNT)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = 50,
    errors: bool = False,
) -> Response:
    """
    Find a text, or what went wrong, in a session.
    """
    if not q and not errors:
        raise ValidationError("q: expected a text to find, or errors=true")
    found = await finding.find(
        reader, session_id, text=q or "", after=after, limit=limit, errors=errors
    )
    return json_response(found)


async def locate(
    reader: ReaderDep, session_id: SessionId, run_id: Text = None, time: Time = None
) -> Response:
    """
    Find where a run begins, or a time.
    """
    if run_id is not None:
        found = await finding.place_of_run(reader, session_id, run_id)
    elif time is not None:
        found = await finding.place_of_time(reader, session_id, time)
    else:
        raise ValidationError("run_id: expected a run to locate, or a time")
    place: Place = {"sequence": found}
    return json_response(place)


async def get_usage(
    reader: ReaderDep,
    filters: RunFiltersDep,
    group_by: Annotated[
        list[UsageDimension] | None, Query(max_length=_MAX_GROUPINGS)
    ] = None,
    bucket: TimeBucket | None = None,
) -> Response:
    """
    Add up what runs consumed and cost.
    """
    asked = filters if bucket is None else {**filters, "bucket": bucket}
    return json_response(await sums.usage_of(reader, group_by or (), asked))


async def get_latency(
    reader: ReaderDep,
    filters: RunFiltersDep,
    group_by: sums.LatencyDimension | None = None,
) -> Response:
    """
    Say how long runs took.
    """
    return json_response(await sums.latency_of(reader, group_by, filters))
