"""
One session as it is displayed: its figures, its retractions, its runs.
"""

from __future__ import annotations

from asm_async.console.access import Reader
from asm_async.console.answers import LiveSession, RunPage, SessionAnswer
from asm_async.console.cuts import Cutter
from asm_async.console.rows import row_of
from asm_async.console.runs import RunStates, run_answers, tokens_in
from asm_async.console.windows import bounds_of
from asm_async.values.json_values import decoded

MAX_SESSION_TEXT = 20_000
"""
How many characters of a session's metadata and context are displayed.
"""

_LIVE_RUNS = 20


async def session_answer(reader: Reader, session_id: str) -> SessionAnswer:
    """
    Describe one session.

    Raises:
        SessionNotFoundError: If there is none of this id, or it is not the tenant's.
    """
    view = reader.view
    session = await view.get_session(session_id)
    bounds = await bounds_of(reader, session_id)
    stats = await view.get_session_stats(session_id)
    cost = await view.get_cost_summary(
        session_id=session_id, price_lookup=reader.price_lookup
    )
    cutter = Cutter(MAX_SESSION_TEXT)
    has_cost = cost.run_count > cost.unmapped_runs
    return {
        "session": await row_of(reader, session),
        "metadata": cutter.json(decoded(session.metadata)),
        "context": cutter.json(decoded(session.context)),
        "first_sequence": bounds.first,
        "latest_sequence": bounds.latest,
        "event_count": stats.event_count,
        "run_counts": {
            status.value: number for status, number in stats.status_counts.items()
        },
        "providers": list(stats.providers_used),
        "tokens": tokens_in(stats.token_totals),
        "cost_usd": cost.total_cost_usd if has_cost else None,
        "unpriced_runs": cost.unmapped_runs,
        "retracted": bounds.retracted,
    }


async def run_page(
    reader: Reader, session_id: str, *, limit: int, cursor: str | None = None
) -> RunPage:
    """
    Return a page of a session's runs, the latest first.
    """
    page = await reader.view.list_runs(session_id, limit=limit, cursor=cursor)
    states = await RunStates.of(reader.ports.state, page.items)
    items = run_answers(page.items, states, reader.price_lookup)
    return {"items": items, "cursor": page.cursor}


async def live_session(reader: Reader, session_id: str) -> LiveSession:
    """
    Describe one session with its latest runs.
    """
    answer = await session_answer(reader, session_id)
    runs = await run_page(reader, session_id, limit=_LIVE_RUNS)
    return {**answer, "runs": runs["items"]}
